"""Records: what comes back is what was written, what is not is refused, and what differs turns the right check red."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity import InputError, frameworks
from parity.__main__ import main
from parity.arrays import NARROW, ROUNDOFF
from parity.cases import sampling as sampling
from parity.cases.lengths import lengths_of
from parity.cases.sampling import sample_case
from parity.checks import recorder
from parity.checks.check import Check, covered, plan
from parity.checks.contracts import FIRST
from parity.checks.result import FAILED, PASSED, Result
from parity.frameworks import manifest, running
from parity.frameworks.recording import opened, verified
from parity.operations import find
from tests.two_environments import apart, differing, verdicts

LAST = "pooling.last_relevant"  # two variants in each framework, and quick
DTYPES = ("float32", "bfloat16")


def recorded(folder: Path, *arguments: str) -> Path:
    """A recording of that operation by PyTorch."""
    dtypes = [word for dtype in DTYPES for word in ("--dtype", dtype)]
    command = ["record", "--framework", "pytorch", "--operation", LAST, *dtypes, "--jobs", "1", "--output", str(folder)]
    assert main([*command, *arguments]) == 0
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if reason := frameworks.missing("pytorch"):
        pytest.skip(reason)
    return recorded(tmp_path_factory.mktemp("recordings") / "pytorch")


@pytest.fixture
def recording(whole: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(whole, tmp_path / "record"))


def edited(folder: Path, edit: Callable[[dict[str, Any]], object], sign: bool = True) -> None:
    """Change a manifest, and sign it again unless it shall be found out."""
    told = json.loads((folder / manifest.MANIFEST).read_text())
    edit(told)
    (folder / manifest.MANIFEST).write_text(json.dumps(manifest.signed(told) if sign else told))


def rewritten(folder: Path, dtype: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the arrays of a file, and sign everything again."""
    path = folder / manifest.file_name(LAST, dtype)
    with np.load(path) as archive:
        arrays = dict(archive)
    change(arrays)
    np.savez(path, **arrays)
    resigned(folder, path)


def resigned(folder: Path, path: Path) -> None:
    content = path.read_bytes()
    told = {"bytes": len(content), "sha256": manifest.hashlib.sha256(content).hexdigest()}
    edited(folder, lambda all_of_it: all_of_it["files"][path.name].update(told))


def test_what_comes_back_is_what_was_observed_bit_for_bit(whole: Path) -> None:
    recording = verified(whole)
    assert (recording.framework, recording.seed, recording.manifest["dtypes"]) == ("pytorch", 0, list(DTYPES))
    for dtype in DTYPES:
        for config in find(LAST).configurations:
            for lengths in (lengths for lengths in lengths_of(config) if dtype not in NARROW or lengths in FIRST):
                case = sample_case(LAST, config.name, lengths, dtype, 0)
                for variant in find(LAST).variants["pytorch"]:
                    there, here = (
                        recording.observed(case, "pytorch", variant),
                        frameworks.observe(case, "pytorch", variant),
                    )
                    bits = [[(n, a.dtype, a.tobytes()) for n, a in seen.quantities.items()] for seen in (there, here)]
                    assert bits[0] == bits[1]
                    assert there["y"].dtype.name == dtype


def test_a_record_has_no_pickle_in_it(whole: Path) -> None:
    for path in whole.glob("*.npz"):
        with np.load(path, allow_pickle=False) as archive:
            assert {array.dtype.kind for array in dict(archive).values()} <= set("fiub")


def test_every_case_that_the_other_framework_is_compared_on_is_recorded() -> None:
    """Where a variant gives no cell state, what it is compared with is not asked for one either."""
    checks = plan(["rnn.lstm"], ["tensorflow"], ["masked"], ["float64"], ["matches_reference"])
    (task,) = recording.plan_recordings(checks, "nowhere")
    asked = {manifest.key_of(case) for _, case in task._asked()}
    assert {"one_layer/ragged/y+h+c", "one_layer/ragged/y+h"} <= asked


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def swap(one: Path, other: Path) -> None:
    content = one.read_bytes()
    shutil.copy(other, one)
    other.write_bytes(content)


WIDE, NARROWER = (manifest.file_name(LAST, dtype) for dtype in DTYPES)


def not_an_archive(folder: Path) -> None:
    (folder / WIDE).write_bytes(b"PK, but no more than that")
    resigned(folder, folder / WIDE)


def one_is_gone(folder: Path) -> None:
    def drop(arrays: dict[str, Any]) -> None:
        observation = min(arrays).rpartition("/")[0]
        for name in [name for name in arrays if name.startswith(f"{observation}/")]:
            del arrays[name]

    rewritten(folder, "float32", drop)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, "which is no folder, expected a folder that parity record has written"),
    "unfinished": (
        lambda f: (f / "manifest.json").unlink(),
        "without manifest.json: no recording, or one that was not fin",
    ),
    "not JSON": (lambda f: (f / "manifest.json").write_text("{"), "manifest.json', which cannot be read (Expecting"),
    "not a record": (lambda f: (f / "manifest.json").write_text("[]"), "schema None in "),
    "foreign schema": (lambda f: edited(f, lambda told: told.update(schema=9)), "schema 9 in "),
    "edited": (lambda f: edited(f, lambda told: told.update(seed=1), sign=False), "which was changed after it was"),
    "field gone": (lambda f: edited(f, lambda told: told.pop("device")), "which was changed after it was written"),
    "framework": (
        lambda f: edited(f, lambda told: told.update(framework="jax")),
        "framework of the recording: got 'jax', expected one of",
    ),
    "missing file": (lambda f: (f / WIDE).unlink(), f"without {WIDE}"),
    "extra file": (lambda f: shutil.copy(f / WIDE, f / "more.npz"), "with more.npz, which its manifest does not name"),
    "truncated": (lambda f: (f / WIDE).write_bytes((f / WIDE).read_bytes()[:-9]), "bytes that were written"),
    "flipped bit": (lambda f: flip(f / WIDE), f"{WIDE}', which was changed after it was written"),
    "swapped": (lambda f: swap(f / WIDE, f / NARROWER), "expected the "),
    "no archive": (not_an_archive, f"{WIDE}', which cannot be read ("),
    "other contents": (one_is_gone, f"{WIDE}' with other observations than its manifest names"),
    "pickled": (
        lambda f: rewritten(f, "float32", lambda arrays: arrays.update({min(arrays): np.array([{}])})),
        f"{WIDE}', which cannot be read (Object arrays cannot be loaded when allow_pickle=False)",
    ),
}


@pytest.mark.parametrize("mutant", BROKEN)
def test_a_broken_record_is_one_clear_error(mutant: str, recording: Path, tmp_path: Path, capsys: Any) -> None:
    broken, message = BROKEN[mutant]
    verified(recording)
    broken(recording)
    assert main(["check", "--operation", LAST, "--replay", str(recording), "--output", str(tmp_path / "report")]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "report").exists()


LACKING = {
    "operation": (["--operation", "pooling.mean"], "replay: got a recording without pooling.mean in float32"),
    "dtype": (["--operation", LAST, "--dtype", "float64"], f"replay: got a recording without {LAST} in float64"),
    "written lengths": (
        ["--operation", LAST, "--framework", "pytorch", "--dtype", "float32", "--lengths", "3,0,1:5"],
        f"replay: got a recording without {LAST} in float32, gather, 3,0,1:5",
    ),
    "everything": ([], "others, expected all that is to be checked: select less, or recording more"),
    "seed": (["--operation", LAST, "--seed", "3"], "seed: got 3, expected 0, that of the recording in "),
}


@pytest.mark.parametrize("argument", LACKING)
def test_a_record_that_lacks_what_is_asked_for_is_named(argument: str, whole: Path, capsys: Any) -> None:
    selection, message = LACKING[argument]
    assert main(["check", *selection, "--replay", str(whole)]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_variant_that_was_not_recorded_is_named(pytorch: str, tmp_path: Path) -> None:
    recording = verified(recorded(tmp_path / "one", "--variant", "indexed"))
    with pytest.raises(InputError, match=rf"without {LAST} in float32, gather, expected all that is to be checked"):
        covered(plan([LAST], dtypes=["float32"], recording=recording), recording)


def test_what_the_other_framework_is_compared_with_may_not_be_there(
    pytorch: str, tensorflow: str, tmp_path: Path
) -> None:
    """It is the first variant that can do all of a case, whichever was recorded."""
    found = results(recorded(tmp_path / "one", "--variant", "indexed"), tensorflow, "frameworks_agree")
    assert {result.status for result in found} == {FAILED}
    assert all(result.reason.startswith("there is no pytorch.gather on ") for result in found)


MISSPELT = {
    "framework": (["--framework", "tensorfolw"], "framework: got 'tensorfolw', expected 'tensorflow'"),
    "variant": (["--framework", "pytorch", "--variant", "pakced"], "variant: got 'pakced', expected 'packed'"),
    "seed": (["--framework", "pytorch", "--seed", "-1"], "seed: got -1, expected a whole number of 0 or more"),
    "jobs": (["--framework", "pytorch", "--jobs", "0"], "jobs: got 0, expected a whole number of 1 or more"),
}


@pytest.mark.parametrize("argument", MISSPELT)
def test_a_wrong_argument_is_named_before_anything_is_written(argument: str, tmp_path: Path, capsys: Any) -> None:
    arguments, message = MISSPELT[argument]
    assert main(["record", *arguments, "--output", str(tmp_path / "record")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "record").exists()


def test_the_contract_needs_a_recording() -> None:
    with pytest.raises(
        InputError, match="contract: got 'agrees_with_recording' without a recording, expected one to replay"
    ):
        plan([LAST], contracts=["agrees_with_recording"])


def results(folder: Path, framework: str, contract: str) -> list[Result]:
    """All results of a framework under a contract, compared with a recording."""
    planned = plan([LAST], [framework], dtypes=["float32"], contracts=[contract], recording=verified(folder))
    return [result for check in planned for result in check.run()]


def test_a_framework_agrees_with_its_own_record_and_its_commands_say_which(whole: Path) -> None:
    found = results(whole, "pytorch", "agrees_with_recording")
    assert {result.status for result in found} == {PASSED}
    assert {result.mode for result in found} == {"eager"}
    assert {result.variant for result in found} == {"gather", "indexed"}
    assert all(result.reproduce.endswith(f"--replay {whole}") for result in found)


def shifted(variant: str) -> Callable[[dict[str, Any]], None]:
    """The largest number of one output, off by 1000 roundoffs."""

    def shift(arrays: dict[str, Any]) -> None:
        name = next(name for name in arrays if name.startswith(f"{variant}/") and "/ragged/" in name)
        arrays[name] = arrays[name].copy()
        largest = np.unravel_index(np.argmax(np.abs(arrays[name])), arrays[name].shape)
        arrays[name][largest] *= 1 + 1000 * ROUNDOFF["float32"]

    return shift


@pytest.mark.parametrize("variant", ["gather", "indexed"])
def test_one_number_that_is_off_turns_the_right_check_red(variant: str, recording: Path, tensorflow: str) -> None:
    """The first variant is what the other framework is compared with; the second is compared with itself only."""
    rewritten(recording, "float32", shifted(variant))
    failed = [one for one in results(recording, "pytorch", "agrees_with_recording") if one.status == FAILED]
    assert [(one.variant, one.case) for one in failed] == [(variant, f"{failed[0].case.partition('/')[0]}/ragged")]
    assert f"noise floors from expected at {failed[0].worst_index}" in failed[0].reason
    assert (
        f"compared with torch {frameworks.runtime('pytorch').torch.__version__} on cpu, recorded in" in failed[0].reason
    )
    theirs = {one.variant for one in results(recording, tensorflow, "frameworks_agree") if one.status == FAILED}
    assert theirs == ({"gather", "flattened"} if variant == "gather" else set())


def test_other_samples_are_a_failure_that_says_so(
    pytorch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tensorflow: str
) -> None:
    """As when NumPy samples another stream, or a row of the table was changed."""
    with monkeypatch.context() as patch:
        patch.setattr(recording, "sample_case", lambda *case: sampling.sampled(*case[:-1], case[-1] + 1, ()))
        folder = recorded(tmp_path / "record")
    for framework, contract in ((pytorch, "agrees_with_recording"), (tensorflow, "frameworks_agree")):
        found = results(folder, framework, contract)
        assert {result.status for result in found} == {FAILED}
        assert all(result.reason.startswith("sampled from other inputs: there by parity") for result in found)


def test_what_a_variant_raised_is_recorded_said_and_no_answer(
    pytorch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def broken(*_: object) -> None:
        raise ArithmeticError("not today")

    monkeypatch.setattr(running, "run", broken)
    with pytest.raises(AssertionError):
        recorded(tmp_path / "record")
    case = f"{find(LAST).configurations[0].name}/ragged"
    assert f"{LAST}-pytorch-float32: gather on {case}/y raised ArithmeticError: not today" in capsys.readouterr().out
    monkeypatch.undo()
    found = results(tmp_path / "record", pytorch, "agrees_with_recording")
    assert {result.status for result in found} == {FAILED}
    assert all("raised ArithmeticError: not today when it was recorded" in result.reason for result in found)


def test_a_record_takes_the_place_of_an_earlier_one_whole_or_not_at_all(
    recording: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    before = {path.name: path.read_bytes() for path in recording.iterdir()}

    def interrupted(task: recorder.RecordingTask) -> Iterator[Any]:
        raise KeyboardInterrupt

    monkeypatch.setattr(recorder.RecordingTask, "run", interrupted)
    command = ["record", "--framework", "pytorch", "--operation", LAST, "--jobs", "1", "--output", str(recording)]
    assert main(command) == 130
    assert "interrupted: no recording was written" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in recording.iterdir()} == before
    monkeypatch.undo()
    assert main([*command, "--dtype", "float64", "--seed", "7"]) == 0
    assert {path.name for path in recording.iterdir()} == {"manifest.json", manifest.file_name(LAST, "float64")}
    assert verified(recording).seed == opened(recording).seed == 7


def test_a_folder_with_anything_else_in_it_is_left_alone(whole: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "thesis.npz").write_text("years of work")
    command = ["record", "--framework", "pytorch", "--operation", LAST, "--output"]
    assert main([*command, str(tmp_path)]) == 2
    assert "with thesis.npz in it, expected a new folder, an empty one, or a record" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.npz"]
    assert main([*command, "/dev/null/there"]) == 2
    assert "output: got '/dev/null/there', expected a folder that can be written" in capsys.readouterr().err


def test_a_recording_that_cannot_be_written_leaves_no_recording(pytorch: str, tmp_path: Path, capsys: Any) -> None:
    (check, *_) = plan([LAST], [pytorch], dtypes=["float32"], contracts=["matches_reference"])
    (task,) = recording.plan_recordings([check], str(tmp_path / "nowhere"))
    (file,) = task.run()
    assert not file.entry
    assert file.unexpected[0].startswith(f"{LAST}-pytorch-float32: cannot be written (No such file or directory)")


def test_checks_that_are_not_compared_with_the_record_stay_as_they_are(whole: Path) -> None:
    """So their ids, commands and verdicts are those of a run without it."""
    with_recording = set(plan([LAST], dtypes=["float32"], recording=verified(whole)))
    assert {check.contract for check in with_recording - set(plan([LAST], dtypes=["float32"]))} == {
        "agrees_with_recording",
        "frameworks_agree",
    }
    assert Check(LAST, "pytorch", "gather", "float32", "frameworks_agree") in with_recording


def test_the_report_says_what_was_compared_with(whole: Path, tmp_path: Path, capsys: Any) -> None:
    command = ["check", "--operation", LAST, "--framework", "pytorch", "--dtype", "float32", "--jobs", "1"]
    assert main([*command, "--replay", str(whole), "--output", str(tmp_path)]) == 0
    torch = f"torch {frameworks.runtime('pytorch').torch.__version__}"
    assert f"compared with {torch} on cpu, recorded in {whole}" in capsys.readouterr().out
    said = json.loads((tmp_path / "report.json").read_text())["environment"]["replayed"]
    assert (said["framework"], said["folder"]) == ("pytorch", str(whole))
    assert {"python", "cpu", "cores", "versions", "seed", "frameworks"} <= set(said)
    for view in ("report.md", "index.html"):
        assert "pytorch, as recorded" in (tmp_path / view).read_text()


SMALL = ["--operation", "pooling.attention", "--dtype", "float32", "--jobs", "1"]  # one variant omits an output


def without(framework: str, *commands: list[str]) -> None:
    """Commands in a process of their own, to which a framework is not installed."""
    told = f"import sys; sys.modules[{framework!r}] = None; from parity.__main__ import main"
    code = f"{told}; sys.exit(max(main([*one, *{SMALL!r}]) for one in {list(commands)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_framework_at_a_time_comes_to_the_verdicts_of_both_together(
    pytorch: str, tensorflow: str, tmp_path: Path
) -> None:
    """As `tests/two_environments.py` does it with real ones."""
    there = {framework: str(tmp_path / f"recording-{framework}") for framework in frameworks.FRAMEWORKS}
    reports = {name: tmp_path / name for name in (*frameworks.FRAMEWORKS, "both")}

    def recording(framework: str) -> list[str]:
        return ["record", "--framework", framework, "--output", there[framework]]

    def check(framework: str, other: str) -> list[str]:
        return ["check", "--output", str(reports[framework]), "--replay", there[other]]

    without("tensorflow", recording(pytorch))
    without("torch", recording(tensorflow), check(tensorflow, pytorch))
    without("tensorflow", check(pytorch, tensorflow))
    assert main(["check", *SMALL, "--output", str(reports["both"])]) == 0
    found = {name: json.loads((path / "report.json").read_text())["checks"] for name, path in reports.items()}
    both, alone = verdicts(found["both"]), verdicts(found[pytorch] + found[tensorflow])
    assert {key[4] for key in both} >= {"frameworks_agree", "matches_reference"}
    assert differing(both, alone) == []
    assert apart(both, alone) == (0, 0.0)
    one, another, *_ = alone
    alone[one][0]["status"] = "failed"
    alone[another][0]["scores"] = {"y": [9.0, 9.0]}
    assert len(differing(both, alone)) == 1
    assert apart(both, alone)[0] == 1
    del alone[one]
    assert len(differing(both, alone)) == 1
