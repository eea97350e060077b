"""Record and replay: recordings come back unchanged, broken ones are rejected, and differences fail the right check."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from parity import InputError, Observation, frameworks, report
from parity.__main__ import main
from parity.arrays import NARROW, ROUNDOFF
from parity.cases import sampling
from parity.cases.lengths import lengths_of
from parity.cases.sampling import sample_case
from parity.checks import recorder
from parity.checks.check import Check
from parity.checks.contracts import FIRST
from parity.checks.result import FAILED, PASSED, Result, Scores
from parity.checks.selection import check_recorded, plan
from parity.frameworks import manifest, running
from parity.frameworks.recording import opened, verified
from parity.operations import find
from tests.full_runs import full_run
from tests.two_environments import differing, score_differences, verdicts

LAST = "pooling.last_relevant"  # two variants in each framework, and quick
DTYPES = ("float32", "bfloat16")
WIDE, NARROWER = (manifest.file_name(LAST, dtype) for dtype in DTYPES)


def recorded(folder: Path, *arguments: str) -> Path:
    """Record that operation in PyTorch, and return the folder."""
    dtypes = [word for dtype in DTYPES for word in ("--dtype", dtype)]
    command = ["record", "--framework", "pytorch", "--operation", LAST, *dtypes, "--jobs", "1", "--output", str(folder)]
    assert main([*command, *arguments]) == 0
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording that no test changes."""
    if reason := frameworks.missing("pytorch"):
        pytest.skip(reason)
    return recorded(tmp_path_factory.mktemp("recordings") / "pytorch")


@pytest.fixture
def recording(whole: Path, tmp_path: Path) -> Path:
    """Return a copy that may be broken."""
    return Path(shutil.copytree(whole, tmp_path / "recording"))


def results(folder: Path, framework: str, contract: str) -> list[Result]:
    """Return all results of a framework under a contract, compared with a recording."""
    planned = plan([LAST], [framework], dtypes=["float32"], contracts=[contract], recording=verified(folder))
    return [result for check in planned for result in check.run()]


def bits(observation: Observation) -> list[tuple[str, Any, bytes]]:
    return [(name, array.dtype, array.tobytes()) for name, array in observation.quantities.items()]


def test_a_recording_has_the_observations_bit_for_bit(whole: Path) -> None:
    recording = verified(whole)
    assert (recording.framework, recording.seed, recording.manifest.dtypes) == ("pytorch", 0, DTYPES)
    for dtype in DTYPES:
        for config in find(LAST).configurations:
            for lengths in lengths_of(config):
                if dtype in NARROW and lengths not in FIRST:
                    continue
                case = sample_case(LAST, config.name, lengths, dtype, 0)
                for variant in find(LAST).variants["pytorch"]:
                    observation = recording.observe(case, "pytorch", variant)
                    assert bits(observation) == bits(frameworks.observe(case, "pytorch", variant))
                    assert observation["y"].dtype.name == dtype


def test_a_recording_contains_no_pickle(whole: Path) -> None:
    for path in whole.glob("*.npz"):
        with np.load(path, allow_pickle=False) as archive:
            assert {array.dtype.kind for array in dict(archive).values()} <= set("fiub")


def test_every_case_that_the_other_framework_is_compared_on_is_recorded() -> None:
    """Include those without a cell state, for variants that omit it."""
    checks = plan(["rnn.lstm"], ["tensorflow"], ["masked"], ["float64"], ["matches_reference"])
    (task,) = recorder.plan_recordings(checks, "nowhere")
    keys = {manifest.key_of(case) for _, case in task._runs()}
    assert {"one_layer/ragged/y+h+c", "one_layer/ragged/y+h"} <= keys


def edited(folder: Path, edit: Callable[[dict[str, Any]], object], sign: bool = True) -> None:
    """Change a manifest, and correct its checksum unless that shall detect the change."""
    contents = json.loads((folder / manifest.MANIFEST).read_text())
    edit(contents)
    if sign:
        del contents["sha256"]
        contents["sha256"] = hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()
    (folder / manifest.MANIFEST).write_text(json.dumps(contents))


def resigned(folder: Path, path: Path) -> None:
    """Correct the size and the checksum of a file."""
    content = path.read_bytes()
    fields = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    edited(folder, lambda contents: contents["files"][path.name].update(fields))


def rewritten(folder: Path, dtype: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the arrays of a file, and correct all checksums."""
    path = folder / manifest.file_name(LAST, dtype)
    with np.load(path) as archive:
        arrays = dict(archive)
    change(arrays)
    np.savez(path, **arrays)
    resigned(folder, path)


def edit(change: Callable[[dict[str, Any]], object], sign: bool = True) -> Callable[[Path], object]:
    return lambda folder: edited(folder, change, sign)


def write(content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / "manifest.json").write_bytes(content)


def flip(folder: Path) -> None:
    content = bytearray((folder / WIDE).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / WIDE).write_bytes(bytes(content))


def swap(folder: Path) -> None:
    content = (folder / WIDE).read_bytes()
    shutil.copy(folder / NARROWER, folder / WIDE)
    (folder / NARROWER).write_bytes(content)


def truncate(folder: Path) -> None:
    (folder / WIDE).write_bytes((folder / WIDE).read_bytes()[:-9])


def not_an_archive(folder: Path) -> None:
    (folder / WIDE).write_bytes(b"PK, but no more than that")
    resigned(folder, folder / WIDE)


def without_one(folder: Path) -> None:
    def drop(arrays: dict[str, Any]) -> None:
        observation = min(arrays).rpartition("/")[0]
        for name in [name for name in arrays if name.startswith(f"{observation}/")]:
            del arrays[name]

    rewritten(folder, "float32", drop)


def pickled(folder: Path) -> None:
    rewritten(folder, "float32", lambda arrays: arrays.update({min(arrays): np.array([{}])}))


CHANGED = "which was changed after it was written"
BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, "which is no folder, expected a folder that parity record has written"),
    "unfinished": (
        lambda folder: (folder / "manifest.json").unlink(),
        "without manifest.json: no recording, or one that was not fin",
    ),
    "not JSON": (write(b"{"), "manifest.json', which cannot be read ("),
    "nested too deep": (write(b"[" * 10_000), "manifest.json', which cannot be read ("),
    "not UTF-8": (write(b'{"schema": 1, "framework": "\xff"}'), "manifest.json', which "),
    "not a manifest": (write(b"[]"), "schema None in "),
    "foreign schema": (edit(lambda contents: contents.update(schema=9)), "schema 9 in "),
    "edited": (edit(lambda contents: contents.update(seed=1), sign=False), CHANGED),
    "field gone": (edit(lambda contents: contents.pop("device")), CHANGED),
    "field added": (edit(lambda contents: contents.update(more=1)), CHANGED),
    "field of another type": (edit(lambda contents: contents.update(seed="0")), CHANGED),
    "framework": (
        edit(lambda contents: contents.update(framework="jax")),
        "framework of the recording: got 'jax', expected one of",
    ),
    "missing file": (lambda folder: (folder / WIDE).unlink(), f"without {WIDE}"),
    "extra file": (
        lambda folder: shutil.copy(folder / WIDE, folder / "more.npz"),
        "with more.npz, which its manifest does not name",
    ),
    "truncated": (truncate, "bytes that were written"),
    "flipped bit": (flip, f"{WIDE}', {CHANGED}"),
    "swapped": (swap, "which cannot be read (more than "),
    "no archive": (not_an_archive, f"{WIDE}', which cannot be read ("),
    "other contents": (without_one, f"{WIDE}' with other observations than its manifest names"),
    "pickled": (pickled, f"{WIDE}', which cannot be read (an array without the header of numbers)"),
}


@pytest.mark.parametrize("damage", BROKEN)
def test_a_broken_recording_is_rejected_in_one_line(damage: str, recording: Path, tmp_path: Path, capsys: Any) -> None:
    break_it, message = BROKEN[damage]
    verified(recording)
    break_it(recording)
    assert main(["check", "--operation", LAST, "--replay", str(recording), "--output", str(tmp_path / "report")]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "report").exists()


LACKING = {
    "operation": (["--operation", "pooling.mean"], "replay: got a recording without pooling.mean in float32"),
    "dtype": (["--operation", LAST, "--dtype", "float64"], f"replay: got a recording without {LAST} in float64"),
    "written lengths": (
        ["--operation", LAST, "--framework", "pytorch", "--dtype", "float32", "--lengths", "3,0,1:5"],
        f"replay: got a recording without {LAST} in float32, gather, 3,0,1:5",
    ),
    "everything": ([], "others, expected all that is to be checked: select less, or record more"),
    "seed": (["--operation", LAST, "--seed", "3"], "seed: got 3, expected 0, that of the recording in "),
}


@pytest.mark.parametrize("argument", LACKING)
def test_a_recording_that_lacks_a_check_is_rejected(argument: str, whole: Path, capsys: Any) -> None:
    selection, message = LACKING[argument]
    assert main(["check", *selection, "--replay", str(whole)]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_a_variant_that_was_not_recorded_is_named(pytorch: str, tmp_path: Path) -> None:
    recording = verified(recorded(tmp_path / "one", "--variant", "indexed"))
    with pytest.raises(InputError, match=rf"without {LAST} in float32, gather, expected all that is to be checked"):
        check_recorded(plan([LAST], dtypes=["float32"], recording=recording), recording)


def test_a_counterpart_that_was_not_recorded_is_a_failure(pytorch: str, tensorflow: str, tmp_path: Path) -> None:
    """Compare with the first variant that can do all of a case, whichever was recorded."""
    failures = results(recorded(tmp_path / "one", "--variant", "indexed"), tensorflow, "frameworks_agree")
    assert {result.status for result in failures} == {FAILED}
    assert all(result.reason.startswith("there is no pytorch.gather on ") for result in failures)


MISSPELT = {
    "framework": (["--framework", "tensorfolw"], "framework: got 'tensorfolw', expected 'tensorflow'"),
    "variant": (["--framework", "pytorch", "--variant", "pakced"], "variant: got 'pakced', expected 'packed'"),
    "seed": (["--framework", "pytorch", "--seed", "-1"], "seed: got -1, expected a whole number of 0 or more"),
    "jobs": (["--framework", "pytorch", "--jobs", "0"], "jobs: got 0, expected a whole number of 1 or more"),
}


@pytest.mark.parametrize("argument", MISSPELT)
def test_a_wrong_argument_is_named_before_anything_is_written(argument: str, tmp_path: Path, capsys: Any) -> None:
    arguments, message = MISSPELT[argument]
    assert main(["record", *arguments, "--output", str(tmp_path / "recording")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "recording").exists()


def test_the_contract_needs_a_recording() -> None:
    expected = "contract: got 'agrees_with_recording' without a recording, expected one to replay"
    with pytest.raises(InputError, match=expected):
        plan([LAST], contracts=["agrees_with_recording"])


def test_a_framework_agrees_with_its_own_recording_and_its_commands_name_it(whole: Path) -> None:
    passed = results(whole, "pytorch", "agrees_with_recording")
    assert {result.status for result in passed} == {PASSED}
    assert {result.mode for result in passed} == {"eager"}
    assert {result.variant for result in passed} == {"gather", "indexed"}
    assert all(result.reproduce.endswith(f"--replay {whole}") for result in passed)


def shifted(variant: str) -> Callable[[dict[str, Any]], None]:
    """Return a change of the largest number of one output by 1000 roundoffs."""

    def shift(arrays: dict[str, Any]) -> None:
        name = next(name for name in arrays if name.startswith(f"{variant}/") and "/ragged/" in name)
        arrays[name] = arrays[name].copy()
        largest = np.unravel_index(np.argmax(np.abs(arrays[name])), arrays[name].shape)
        arrays[name][largest] *= 1 + 1000 * ROUNDOFF["float32"]

    return shift


@pytest.mark.parametrize("variant", ["gather", "indexed"])
def test_one_wrong_number_fails_the_right_check(variant: str, recording: Path, tensorflow: str) -> None:
    """Compare the other framework with the first variant; the second is compared with itself only."""
    rewritten(recording, "float32", shifted(variant))
    compared = results(recording, "pytorch", "agrees_with_recording")
    (failure,) = [result for result in compared if result.status == FAILED]
    assert (failure.variant, failure.case) == (variant, f"{failure.case.partition('/')[0]}/ragged")
    assert f"noise floors from expected at {failure.worst_index}" in failure.reason
    torch = f"torch {frameworks.runtime('pytorch').torch.__version__}"
    assert failure.compared_with.startswith(f"{torch} on cpu, recorded in ")
    assert f"compared with {torch} on cpu, recorded in" in failure.reason
    others = results(recording, tensorflow, "frameworks_agree")
    failed = {result.variant for result in others if result.status == FAILED}
    assert failed == ({"gather", "flattened"} if variant == "gather" else set())


def test_other_samples_are_a_failure_with_this_reason(
    pytorch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tensorflow: str
) -> None:
    """Imitate another random stream of NumPy, or a changed row of the table."""
    with monkeypatch.context() as patch:
        patch.setattr(recorder, "sample_case", lambda *case: sampling.sampled(*case[:-1], case[-1] + 1, ()))
        folder = recorded(tmp_path / "recording")
    for framework, contract in ((pytorch, "agrees_with_recording"), (tensorflow, "frameworks_agree")):
        failures = results(folder, framework, contract)
        assert {result.status for result in failures} == {FAILED}
        assert all(result.reason.startswith("sampled from other inputs: there by parity") for result in failures)


def test_an_error_of_a_variant_is_recorded_and_printed_and_fails_the_comparison(
    pytorch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def broken(*_: object) -> None:
        raise ArithmeticError("not today")

    monkeypatch.setattr(running, "run", broken)
    with pytest.raises(AssertionError):
        recorded(tmp_path / "recording")
    case = f"{find(LAST).configurations[0].name}/ragged"
    assert f"{LAST}-pytorch-float32: gather on {case}/y raised ArithmeticError: not today" in capsys.readouterr().out
    monkeypatch.undo()
    failures = results(tmp_path / "recording", pytorch, "agrees_with_recording")
    assert {result.status for result in failures} == {FAILED}
    assert all("raised ArithmeticError: not today when it was recorded" in result.reason for result in failures)


def test_a_recording_replaces_an_earlier_one_whole_or_not_at_all(
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


def test_a_folder_with_other_files_is_left_alone(whole: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "thesis.npz").write_text("years of work")
    command = ["record", "--framework", "pytorch", "--operation", LAST, "--output"]
    assert main([*command, str(tmp_path)]) == 2
    assert "with thesis.npz in it, expected a new folder, an empty one, or a record" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.npz"]
    assert main([*command, "/dev/null/there"]) == 2
    assert "output: got '/dev/null/there', expected a folder that can be written" in capsys.readouterr().err


def test_a_recording_that_cannot_be_written_leaves_no_recording(pytorch: str, tmp_path: Path, capsys: Any) -> None:
    (check, *_) = plan([LAST], [pytorch], dtypes=["float32"], contracts=["matches_reference"])
    (task,) = recorder.plan_recordings([check], str(tmp_path / "nowhere"))
    (result,) = task.run()
    assert result.file is None
    assert result.errors[0].startswith(f"{LAST}-pytorch-float32: cannot be written (No such file or directory)")


def test_checks_that_are_not_compared_with_the_recording_stay_as_they_are(whole: Path) -> None:
    """Check that their ids, commands and results are those of a run without it."""
    with_recording = set(plan([LAST], dtypes=["float32"], recording=verified(whole)))
    others = with_recording - set(plan([LAST], dtypes=["float32"]))
    assert {check.contract for check in others} == {"agrees_with_recording", "frameworks_agree"}
    assert Check(LAST, "pytorch", "gather", "float32", "frameworks_agree") in with_recording


def test_the_report_names_the_recording(whole: Path, tmp_path: Path, capsys: Any) -> None:
    command = ["check", "--operation", LAST, "--framework", "pytorch", "--dtype", "float32", "--jobs", "1"]
    assert main([*command, "--replay", str(whole), "--output", str(tmp_path)]) == 0
    torch = f"torch {frameworks.runtime('pytorch').torch.__version__}"
    assert f"compared with {torch} on cpu, recorded in {whole}" in capsys.readouterr().out
    replayed = report.read(tmp_path).environment.replayed
    assert replayed is not None
    assert (replayed.framework, replayed.folder) == ("pytorch", str(whole))
    origin = verified(whole).manifest.environment
    assert (replayed.date, replayed.python, replayed.platform) == (origin.date, origin.python, origin.platform)
    assert (replayed.cpu, replayed.cores, replayed.versions) == (origin.cpu, origin.cores, origin.versions)
    assert replayed.frameworks == origin.frameworks
    for view in ("report.md", "index.html"):
        assert "pytorch, as recorded" in (tmp_path / view).read_text()


SMALL = ["--operation", "pooling.attention", "--dtype", "float32", "--jobs", "1"]  # one variant omits an output


def without(framework: str, *commands: list[str]) -> None:
    """Run commands in a process of their own, where a framework is not installed."""
    imports = f"import sys; sys.modules[{framework!r}] = None; from parity.__main__ import main"
    code = f"{imports}; sys.exit(max(main([*command, *{SMALL!r}]) for command in {list(commands)!r}))"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr


@full_run
def test_one_framework_at_a_time_comes_to_the_verdicts_of_both_in_one_process(
    pytorch: str, tensorflow: str, tmp_path: Path
) -> None:
    """Do as `tests/two_environments.py` does with real environments."""
    recordings = {framework: str(tmp_path / f"recording-{framework}") for framework in frameworks.FRAMEWORKS}
    folders = {name: tmp_path / name for name in (*frameworks.FRAMEWORKS, "both")}

    def record(framework: str) -> list[str]:
        return ["record", "--framework", framework, "--output", recordings[framework]]

    def check(framework: str, other: str) -> list[str]:
        return ["check", "--output", str(folders[framework]), "--replay", recordings[other]]

    without("tensorflow", record(pytorch))
    without("torch", record(tensorflow), check(tensorflow, pytorch))
    without("tensorflow", check(pytorch, tensorflow))
    assert main(["check", *SMALL, "--output", str(folders["both"])]) == 0
    results_in = {name: report.read(folder).results for name, folder in folders.items()}
    both, alone = verdicts(results_in["both"]), verdicts(results_in[pytorch] + results_in[tensorflow])
    assert {results[0].contract for results in both.values()} >= {"frameworks_agree", "matches_reference"}
    assert differing(both, alone) == []
    assert score_differences(both, alone) == (0, 0.0)
    one, another, *_ = alone
    alone[one][0] = replace(alone[one][0], status=FAILED)
    alone[another][0] = replace(alone[another][0], scores={"y": Scores(9.0, 9.0)})
    assert len(differing(both, alone)) == 1
    assert score_differences(both, alone)[0] == 1
    del alone[one]
    assert len(differing(both, alone)) == 1
