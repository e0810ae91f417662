"""The flags of t2t-mm-decoder."""

import pytest

from t2t_mm.bin.decoder import parse_options
from t2t_mm.errors import UserError


def test_defaults_of_the_decoder_are_those_of_t2t():
    chosen = parse_options(["--output_dir=run", "--decode_from_file=in.txt"])
    assert (chosen.beam_size, chosen.alpha, chosen.return_beams) == (4, 0.6, False)
    assert (chosen.decode_extra_length, chosen.decode_batch_size) == (50, 32)
    assert chosen.problem is None and chosen.checkpoint_path is None


def test_flags_of_decoding_have_their_t2t_names_as_aliases():
    flags = ["--decode_beam_size=1", "--decode_alpha=0", "--decode_return_beams", "--problems=p"]
    chosen = parse_options(["--output_dir=run", "--decode_interactive", *flags])
    assert (chosen.beam_size, chosen.alpha, chosen.return_beams, chosen.problem) == (1, 0.0, True, "p")


def test_the_plugins_of_a_run_are_loaded_with_it(tmp_path):
    (tmp_path / "config.json").write_text(
        '{"plugins": [{"name": "mine", "origin": "/nowhere/mine", "package": "mine"}]}'
    )
    with pytest.raises(UserError, match="uses the plugin folder /nowhere/mine.*Pass --t2t_usr_dir="):
        parse_options([f"--output_dir={tmp_path}", "--decode_interactive"])


def test_the_decoder_needs_a_run_and_something_to_decode(own_home):
    run = own_home / "runs" / "mine"
    run.mkdir(parents=True)
    (run / "config.json").write_text("{}")
    with pytest.raises(UserError, match=f"--output_dir is missing.*{run}"):
        parse_options(["--decode_interactive"])
    with pytest.raises(UserError, match="--decode_from_file=<file> or --decode_interactive"):
        parse_options(["--output_dir=run"])
