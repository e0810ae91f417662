"""The names of the built-in problems: listing them imports this table and no problem."""

CLASSES = {  # name -> "module:class", the module below t2t_mm.problems
    "translate_ende_multi30k": "multi30k:TranslateEndeMulti30k",
    "translate_deen_multi30k": "multi30k:TranslateDeenMulti30k",
    "translate_enfr_multi30k": "multi30k:TranslateEnfrMulti30k",
    "translate_fren_multi30k": "multi30k:TranslateFrenMulti30k",
    "translate_ende_wmt14": "wmt14:TranslateEndeWmt14",
    "translate_deen_wmt14": "wmt14:TranslateDeenWmt14",
    "translate_enfr_wmt14": "wmt14:TranslateEnfrWmt14",
    "translate_fren_wmt14": "wmt14:TranslateFrenWmt14",
    "parsing_wsj": "wsj_parsing:ParsingWsj",
    "speech_wsj": "wsj_speech:SpeechWsj",
    "speech_librispeech": "librispeech:SpeechLibrispeech",
    "image_cifar10": "cifar10:ImageCifar10",
    "sequential_mnist": "mnist:SequentialMnist",
    "permuted_mnist": "mnist:PermutedMnist",
    "sequential_mnist_rows": "mnist:SequentialMnistRows",
    "lm_ptb_char": "ptb_characters:LmPtbChar",
    "lm_text8": "text8:LmText8",
    "qa_cnn": "cnn_questions:QaCnn",
    "qa_cnn_short": "cnn_questions:QaCnnShort",
    "uci_iris": "uci:UciIris",
    "uci_wine": "uci:UciWine",
    "uci_glass": "uci:UciGlass",
    "uci_ecoli": "uci:UciEcoli",
    "uci_banknote": "uci:UciBanknote",
    "uci_breast_cancer": "uci:UciBreastCancer",
    "uci_sonar": "uci:UciSonar",
    "uci_ionosphere": "uci:UciIonosphere",
    "uci_pima": "uci:UciPima",
    "uci_german": "uci:UciGerman",
    "image_imagenet": "imagenet:ImageImagenet",
    "image_captions_flickr8k": "flickr8k:ImageCaptionsFlickr8k",
    "image_captions_coco": "coco:ImageCaptionsCoco",
    "speech_digits": "fsdd:SpeechDigits",
    "speech_digit_strings": "fsdd:SpeechDigitStrings",
    "speech_captions": "spoken_captions:SpeechCaptions",
    "sentences_text": "sentences:SentencesText",
    "sentences_ptb": "sentences:SentencesPtb",
    "sentences_multi30k": "sentences:SentencesMulti30k",
    "word_order_ptb": "sentences:WordOrderPtb",
    "word_order_multi30k": "sentences:WordOrderMulti30k",
    "qa_squad": "squad:QaSquad",
    "qa_villages": "builtin_questions:QaVillages",
    "image_shapes": "builtin_images:ImageShapes",
    "image_captions_shapes": "builtin_captions:ImageCaptionsShapes",
    "speech_syllables": "builtin_speech:SpeechSyllables",
    "parsing_grammar": "builtin_parsing:ParsingGrammar",
    "translate_north_south": "builtin_translation:TranslateNorthSouth",
    "translate_south_north": "builtin_translation:TranslateSouthNorth",
    "translate_north_east": "builtin_translation:TranslateNorthEast",
    "translate_east_north": "builtin_translation:TranslateEastNorth",
}
FAMILIES = {  # the beginning of each name -> its class, "module:class", and the ends; attributes of that class
    "mnist_pair_": ("mnist_pairs:Pair", " ".join(f"{a}_{b}" for a in range(10) for b in range(a + 1, 10))),
    "omniglot_": (
        "omniglot:Omniglot",
        "alphabet_of_the_magi anglo_saxon_futhorc arcadian armenian asomtavruli balinese bengali blackfoot "
        "braille burmese cyrillic early_aramaic futurama grantha greek gujarati hebrew inuktitut "
        "japanese_hiragana japanese_katakana korean latin malay mkhedruli nko ojibwe sanskrit syriac_estrangelo "
        "tagalog tifinagh angelic atemayar_qelisayer atlantean aurek_besh avesta ge_ez glagolitic gurmukhi "
        "kannada keble malayalam manipuri mongolian old_church_slavonic oriya sylheti syriac_serto tengwar "
        "tibetan ulog",
    ),
    "celeba_": (
        "celeba:CelebA",
        "5_o_clock_shadow arched_eyebrows attractive bags_under_eyes bald bangs big_lips big_nose black_hair "
        "blond_hair blurry brown_hair bushy_eyebrows chubby double_chin eyeglasses goatee gray_hair heavy_makeup "
        "high_cheekbones male mouth_slightly_open mustache narrow_eyes no_beard oval_face pale_skin pointy_nose "
        "receding_hairline rosy_cheeks sideburns smiling straight_hair wavy_hair wearing_earrings wearing_hat "
        "wearing_lipstick wearing_necklace wearing_necktie young",
    ),
}
PROBLEMS = {  # name -> "module:object"
    **{name: f"t2t_mm.problems.{place}" for name, place in CLASSES.items()},
    **{
        f"{beginning}{end}": f"t2t_mm.problems.{place}.{beginning}{end}"
        for beginning, (place, ends) in FAMILIES.items()
        for end in ends.split()
    },
}
