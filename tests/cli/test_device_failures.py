"""Full memory and a GPU that fails end every command with one line and status 1."""

import json

import pytest
from PIL import Image, ImageDraw

from gan.cli.doctor import gpu_rows
from gan.cli.exit_status import FAILED
from gan.cli.main import run
from gan.utils.gpu import Card, Facts

BLAS = ("InternalError", "Attempting to perform BLAS operation using StreamExecutor without BLAS support [Op:MatMul]")
MEMORY = ("ResourceExhaustedError", "OOM when allocating tensor with shape[64,8]\n\t [[node x]]")
COMMANDS = {
    "train": ["train", "--dataset", "mnist5k", "--steps", "1", "--output", "run"],
    "sample": ["sample", "mnist", "--num", "4", "--out", "x.png"],
    "evaluate": ["evaluate", "mnist", "--dataset", "mnist5k"],
    "project": ["project", "mnist", "digit.png"],
    "classify": ["classify", "digit.png"],
    "train-classifier": ["train-classifier", "mnist-probe", "--dataset", "mnist5k", "--output", "probe"],
    "ensemble": ["ensemble", "mnist-probe", "mnist-classifier", "--dataset", "mnist5k", "--output", "ensemble"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("error", "line"),
    [(BLAS, "gan: The GPU failed (Attempting"), (MEMORY, "gan: Out of memory")],
    ids=["GPU", "memory"],
)
def test_a_failing_device_ends_a_command_with_one_line(forked_gan, tmp_path, command, error, line):
    digit = Image.new("L", (28, 28))
    ImageDraw.Draw(digit).line((14, 5, 14, 23), fill=255, width=3)
    digit.save(tmp_path / "digit.png")
    done = forked_gan(*COMMANDS[command], cwd=tmp_path, device_error=error)
    assert done.returncode == FAILED
    assert done.stderr.splitlines()[-1].startswith(line)
    assert "Traceback" not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"digit.png"}


LACKING = "CUDA libraries are missing (libcudnn.so.9): pip install 'gan-reference[gpu]'; the CPU is used"


def test_a_card_that_cannot_be_used_is_one_line_and_the_command_goes_on(forked_gan, tmp_path):
    done = forked_gan(*COMMANDS["sample"], cwd=tmp_path, missing_library="libcudnn.so.9")
    assert done.returncode == 0
    assert (tmp_path / "x.png").exists()
    assert [line for line in done.stderr.splitlines() if "CUDA" in line] == [f"gan: warning: {LACKING}"]


def test_doctor_says_it_once(forked_gan):
    done = forked_gan("doctor", "--json", missing_library="libcudnn.so.9")
    assert json.loads(done.stdout)["gpu problems"] == [LACKING]
    assert done.stderr == ""


def test_another_error_keeps_its_traceback():
    def fail():
        raise RuntimeError("a fault of the program")

    with pytest.raises(RuntimeError, match="a fault of the program"):
        run(fail)


CARD = Card("NVIDIA A100", "GPU-1", 2**32, 2**31, (8, 0), processes=(7,))


def test_doctor_says_why_the_cpu_is_used():
    rows = gpu_rows(Facts(pci_cards=1))
    assert rows == {
        "gpu": "the CPU is used: an NVIDIA card without a driver",
        "gpu problems": ["an NVIDIA card without a driver: install driver 525.60.13 or newer; the CPU is used"],
        "nvidia driver": "none",
        "tensorflow is built for": "no CUDA",
    }
    assert "gpu problems" not in gpu_rows(Facts())


def test_doctor_says_which_card_is_used_and_the_versions():
    facts = Facts(
        driver="580.65.06", driver_cuda=(13, 0), cards=(CARD,), cuda=(12, 5), cudnn="9", kernels=("sm_80",), found=1
    )
    rows = gpu_rows(facts)
    assert rows["gpu"] == "NVIDIA A100 is used (2.0 of 4.0 GiB free, compute capability 8.0)"
    assert rows["gpu problems"][0].startswith("process 7 also on NVIDIA A100")
    assert rows["nvidia driver"] == "580.65.06, for CUDA up to 13.0"
    assert rows["tensorflow is built for"] == "CUDA 12.5, cuDNN 9, sm_80"
