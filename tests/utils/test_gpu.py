"""What is said about NVIDIA cards, from facts written by hand and from a stand-in for the driver. Needs no card."""

import ctypes
import os
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import tensorflow as tf

from gan.utils import gpu
from gan.utils import tensorflow as runtime
from gan.utils.gpu import GIB, Card, Diagnosis, Facts, diagnose

H100 = Card("NVIDIA H100", "GPU-aaaa-1", 80 * GIB, 79 * GIB, (9, 0))
A100 = Card("NVIDIA A100", "GPU-bbbb-2", 40 * GIB, 39 * GIB, (8, 0))
KERNELS = ("sm_60", "sm_70", "sm_80", "sm_89", "compute_90")
GOOD = Facts(
    pci_cards=1,
    driver="580.65.06",
    driver_cuda=(13, 0),
    cards=(A100,),
    cuda=(12, 5),
    cudnn="9",
    kernels=KERNELS,
    found=1,
)
TWO = replace(GOOD, pci_cards=2, cards=(A100, replace(A100, uuid="GPU-cccc-3")), found=2)
FULL = replace(A100, free_bytes=GIB - 1)


def test_a_free_card_is_used_and_nothing_is_wrong():
    assert diagnose(GOOD) == Diagnosis("NVIDIA A100 is used (39.0 of 40.0 GiB free, compute capability 8.0)")


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (Facts(cuda=(12, 5)), "no NVIDIA driver"),
        (Facts(driver="580.65.06", driver_cuda=(13, 0), cuda=(12, 5)), "NVIDIA driver 580.65.06 finds no card"),
        (replace(GOOD, visible_devices="", found=0), "CUDA_VISIBLE_DEVICES= hides the card"),
        (replace(GOOD, visible_devices="-1", found=0), "CUDA_VISIBLE_DEVICES=-1 hides the card"),
    ],
)
def test_a_machine_without_a_card_to_use_has_a_reason_and_no_problem(facts, why):
    assert diagnose(facts) == Diagnosis(f"the CPU is used: {why}")


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        (
            Facts(pci_cards=1, cuda=(12, 5)),
            "an NVIDIA card without a driver: install driver 525.60.13 or newer; the CPU is used",
        ),
        (
            Facts(pci_cards=1, driver_error="Driver/library version mismatch", cuda=(12, 5)),
            "the NVIDIA driver does not answer (Driver/library version mismatch): "
            "restart after an update of the driver; the CPU is used",
        ),
        (
            replace(GOOD, driver="470.57.02", driver_cuda=(11, 4)),
            "NVIDIA driver 470.57.02 is too old for CUDA 12.5 of TensorFlow: "
            "install driver 525.60.13 or newer; the CPU is used",
        ),
        (
            replace(GOOD, found=0, missing_libraries=("libcudnn.so.9",)),
            "CUDA libraries are missing (libcudnn.so.9): pip install 'gan-reference[gpu]'; the CPU is used",
        ),
        (
            replace(GOOD, found=0),
            "TensorFlow finds no GPU: TF_CPP_MIN_LOG_LEVEL=0 gan doctor shows why; the CPU is used",
        ),
        (
            replace(GOOD, found=0, visible_devices="1"),
            "CUDA_VISIBLE_DEVICES=1 names no card: this machine has number 0; the CPU is used",
        ),
        (
            replace(TWO, found=0, visible_devices="GPU-dddd"),
            "CUDA_VISIBLE_DEVICES=GPU-dddd names no card: this machine has numbers 0 to 1; the CPU is used",
        ),
        (
            replace(GOOD, cuda=None, found=0),
            "TensorFlow was built without CUDA: use TensorFlow for Linux (in Windows, in WSL 2); the CPU is used",
        ),
        (
            replace(GOOD, cards=(FULL,)),
            "NVIDIA A100 has less than 1 GiB of 40 GiB of memory free; the CPU is used",
        ),
        (
            replace(GOOD, cards=(replace(FULL, processes=(7, 8)),)),
            "NVIDIA A100 has less than 1 GiB of 40 GiB of memory free (processes 7, 8); the CPU is used",
        ),
        (
            replace(GOOD, cards=(replace(A100, name="Tesla K80", compute_capability=(3, 7)),)),
            "Tesla K80 has compute capability 3.7, and TensorFlow needs 6.0; the CPU is used",
        ),
    ],
)
def test_a_card_that_cannot_be_used_is_one_line_and_training_uses_the_cpu(facts, problem):
    found = diagnose(facts)
    assert found.problems == (problem,)
    assert found.summary.startswith("the CPU is used: ")
    assert found.unusable == tuple(range(facts.found))


def test_another_process_on_the_card_is_one_line_and_the_card_is_used():
    found = diagnose(replace(GOOD, cards=(replace(A100, processes=(7,), free_bytes=30 * GIB),)))
    line = "process 7 also on NVIDIA A100, 30.0 GiB free; memory is taken as needed and may run out"
    assert (found.problems, found.unusable) == ((line,), ())
    assert found.summary.startswith("NVIDIA A100 is used (30.0 of 40.0 GiB free")


def test_a_full_card_beside_a_free_one_is_not_used():
    found = diagnose(replace(TWO, cards=(FULL, A100)))
    assert found.problems == ("NVIDIA A100 has less than 1 GiB of 40 GiB of memory free; it is not used",)
    assert found.unusable == (0,)
    assert found.summary == diagnose(GOOD).summary


@pytest.mark.parametrize("visible", ["1,0", "GPU-cccc,GPU-bbbb", " 1 , 0 "])
def test_the_position_of_a_card_is_that_in_cuda_visible_devices(visible):
    assert diagnose(replace(TWO, cards=(FULL, TWO.cards[1]), visible_devices=visible)).unusable == (1,)


def test_the_list_of_visible_cards_ends_with_the_first_entry_that_names_none():
    facts = replace(TWO, cards=(A100, FULL), visible_devices="0,5,1", found=1)
    assert diagnose(facts) == diagnose(GOOD)


def test_different_cards_have_no_known_order_without_the_order_of_the_bus():
    facts = replace(TWO, cards=(FULL, H100))
    assert diagnose(facts) == Diagnosis("TensorFlow finds 2 GPUs of NVIDIA A100, NVIDIA H100")
    assert diagnose(replace(facts, pci_order=True)).unusable == (0,)
    assert diagnose(replace(facts, visible_devices="0", found=1)).unusable == ()
    assert diagnose(replace(facts, visible_devices="MIG-1", found=1)).unusable == ()
    assert diagnose(replace(facts, visible_devices="GPU-bbbb", found=1)).unusable == (0,)


@pytest.mark.parametrize(
    "facts",
    [
        Facts(found=1),
        Facts(found=1, cuda=(12, 5)),
        Facts(found=1, cuda=(12, 5), pci_cards=1, driver_error="Function Not Found"),
        Facts(found=1, cuda=(12, 5), driver="580.65.06", driver_cuda=(13, 0)),
    ],
)
def test_a_gpu_that_the_driver_says_nothing_about_is_used(facts):  # of AMD or Apple, or on a board without NVML
    assert diagnose(facts) == Diagnosis("TensorFlow finds 1 GPU")


@pytest.mark.parametrize(
    ("capability", "compiled"), [((6, 1), False), ((7, 5), False), ((8, 9), False), ((9, 0), True), ((12, 0), True)]
)
def test_a_card_without_machine_code_compiles_kernels_at_first_use(capability, compiled):
    found = diagnose(replace(GOOD, cards=(replace(A100, compute_capability=capability),)))
    assert ("compiled at their first use" in found.summary) == compiled
    assert found.problems == ()


def test_a_driver_that_is_older_than_the_ptx_is_a_problem_only_where_the_ptx_is_needed():
    older = replace(GOOD, driver="535.54.03", driver_cuda=(12, 2))
    assert diagnose(older).problems == ()
    (line,) = diagnose(replace(older, cards=(H100,))).problems
    assert "supports CUDA 12.2" in line
    assert "need 12.5" in line
    assert diagnose(replace(older, cards=(H100,))).unusable == ()


class StandIn:
    """Stands in for the module pynvml. A value that is an error is raised."""

    class NVMLError(Exception):
        pass

    class NVMLError_LibraryNotFound(NVMLError):
        pass

    class NVMLError_DriverNotLoaded(NVMLError):
        pass

    def __init__(self, **answers):
        self.closed = 0
        self.answers = {
            "Init": None,
            "SystemGetDriverVersion": "580.65.06",
            "SystemGetCudaDriverVersion_v2": 12080,
            "DeviceGetCount": 1,
            "DeviceGetHandleByIndex": 0,
            "DeviceGetName": "NVIDIA A100",
            "DeviceGetUUID": "GPU-bbbb-2",
            "DeviceGetMemoryInfo": SimpleNamespace(total=40 * GIB, free=39 * GIB, used=GIB),
            "DeviceGetCudaComputeCapability": [8, 0],
            "DeviceGetComputeRunningProcesses": [SimpleNamespace(pid=7), SimpleNamespace(pid=os.getpid())],
            **answers,
        }

    def nvmlShutdown(self):
        self.closed += 1

    def __getattr__(self, name):
        answer = self.answers[name.removeprefix("nvml")]

        def call(*arguments):
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


@pytest.fixture
def driver(monkeypatch):
    """Installs a stand-in for the driver."""

    def install(**answers):
        module = StandIn(**answers)
        monkeypatch.setitem(sys.modules, "pynvml", module)
        monkeypatch.setattr(gpu, "may_have_driver", lambda: True)
        return module

    return install


def test_the_driver_is_asked_for_its_versions_and_cards(driver):
    module = driver()
    assert gpu._ask_driver() == {
        "driver": "580.65.06",
        "driver_cuda": (12, 8),
        "cards": (replace(A100, processes=(7,)),),
    }
    assert module.closed == 1


@pytest.mark.parametrize("error", [StandIn.NVMLError_LibraryNotFound(), StandIn.NVMLError_DriverNotLoaded()])
def test_a_machine_without_a_driver_knows_nothing(driver, error):
    driver(Init=error)
    assert gpu._ask_driver() == {}


@pytest.mark.parametrize("call", ["Init", "DeviceGetHandleByIndex", "DeviceGetMemoryInfo"])
def test_a_driver_that_fails_says_why(driver, call):
    driver(**{call: StandIn.NVMLError("GPU is lost")})
    assert gpu._ask_driver() == {"driver_error": "GPU is lost"}


def test_processes_are_unknown_where_the_driver_does_not_list_them(driver):
    driver(DeviceGetComputeRunningProcesses=StandIn.NVMLError("Not Supported"))
    assert gpu._ask_driver()["cards"] == (A100,)


def test_the_real_library_of_the_driver_has_the_functions_that_are_called():
    import pynvml

    asked = [f"nvml{name}" for name in StandIn().answers]
    assert [name for name in asked if not hasattr(pynvml, name)] == []
    assert issubclass(pynvml.NVMLError_DriverNotLoaded, pynvml.NVMLError)


def test_the_facts_hold_what_tensorflow_was_built_for(driver, monkeypatch):
    driver()
    monkeypatch.setattr(gpu, "_missing_libraries", lambda: ["libcudnn.so.9"])
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    build = {
        "is_cuda_build": True,
        "cuda_version": "12.5.1",
        "cudnn_version": "9",
        "cuda_compute_capabilities": KERNELS,
    }
    monkeypatch.setattr(tf.sysconfig, "get_build_info", lambda: build)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    monkeypatch.setattr(gpu, "_count_pci_cards", lambda folder: 1)
    assert gpu.read_facts() == replace(
        GOOD,
        driver_cuda=(12, 8),
        cards=(replace(A100, processes=(7,)),),
        visible_devices="0",
        pci_order=True,
        missing_libraries=("libcudnn.so.9",),
    )
    monkeypatch.setattr(tf.sysconfig, "get_build_info", lambda: {"is_cuda_build": False})
    assert gpu.read_facts().cuda is None


def test_libraries_are_not_looked_for_without_a_card(driver, monkeypatch):
    driver(DeviceGetCount=0)
    monkeypatch.setattr(gpu, "_missing_libraries", lambda: pytest.fail("looked"))
    assert gpu.read_facts().missing_libraries == ()


@pytest.mark.parametrize(
    ("vendor", "kind", "count"),
    [("0x10de\n", "0x030200\n", 1), ("0x10de\n", "0x040300\n", 0), ("0x8086\n", "0x030000\n", 0), (None, None, 0)],
)
def test_cards_without_a_driver_are_counted_on_the_bus(tmp_path, vendor, kind, count):
    device = tmp_path / "0000:01:00.0"
    device.mkdir()
    if vendor is not None:
        (device / "vendor").write_text(vendor)
        (device / "class").write_text(kind)
    assert gpu._count_pci_cards(tmp_path) == count
    assert gpu._count_pci_cards(tmp_path / "missing") == 0


@pytest.fixture
def libraries(tmp_path, monkeypatch):
    """A package `nvidia` with all libraries, as empty files, and the list of the libraries that are loaded."""
    loaded = []

    def load(name):
        loaded.append(name)
        if not name.startswith("/"):
            raise OSError(name)

    for name, part in gpu.LIBRARIES.items():
        (tmp_path / part / "lib").mkdir(parents=True, exist_ok=True)
        (tmp_path / part / "lib" / name).touch()
    monkeypatch.setattr(gpu, "_library_folder", lambda: tmp_path)
    monkeypatch.setattr(ctypes, "CDLL", load)
    return tmp_path, loaded


def test_a_library_is_missing_if_neither_the_package_nor_the_system_has_it(libraries, monkeypatch):
    folder, loaded = libraries
    assert [*gpu._missing_libraries()] == []
    (folder / "cudnn" / "lib" / "libcudnn.so.9").unlink()
    assert [*gpu._missing_libraries()] == loaded == ["libcudnn.so.9"]
    monkeypatch.setattr(ctypes, "CDLL", lambda name: None)
    assert [*gpu._missing_libraries()] == []


def test_the_library_that_tensorflow_does_not_search_is_loaded_where_a_driver_is(libraries, monkeypatch):
    folder, loaded = libraries
    monkeypatch.setattr(os.path, "exists", lambda path: False)
    gpu.load_libraries()
    assert loaded == []
    monkeypatch.setattr(os.path, "exists", lambda path: path == "/dev/nvidiactl")
    gpu.load_libraries()
    assert loaded == [str(folder / "cusolver" / "lib" / "libcusolver.so.11")]


def test_the_libraries_lie_beside_tensorflow():
    assert gpu._library_folder().parent.joinpath("tensorflow", "__init__.py").exists()


@pytest.fixture
def selected(monkeypatch):
    """Returns a function that selects among GPUs for given facts: problems, and the visible GPUs afterwards."""
    visible = []

    def select(facts, hidden_before=()):
        listed = [tf.config.PhysicalDevice(f"/gpu:{number}", "GPU") for number in range(facts.found)]
        visible[:] = [one for position, one in enumerate(listed) if position not in hidden_before]
        monkeypatch.setattr(gpu, "read_facts", lambda: facts)
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: listed)
        gpu.select_cards.cache_clear()
        return gpu.select_cards(), [listed.index(one) for one in visible]

    def hide(devices, kind):
        visible[:] = devices

    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: list(visible))
    monkeypatch.setattr(tf.config, "set_visible_devices", hide)
    yield select
    gpu.select_cards.cache_clear()


def test_cards_that_cannot_be_used_are_hidden_from_tensorflow(selected):
    assert selected(GOOD) == ((), [0])
    problems, visible = selected(replace(GOOD, cards=(FULL,)))
    assert (len(problems), visible) == (1, [])
    assert selected(replace(TWO, cards=(A100, FULL)))[1] == [0]
    assert selected(replace(GOOD, driver_cuda=(11, 4)))[1] == []


def test_cards_that_the_program_has_hidden_stay_hidden(selected):
    assert selected(replace(TWO, cards=(A100, FULL)), hidden_before=[0])[1] == []


def test_a_process_that_uses_its_devices_already_is_told_nothing(selected, monkeypatch):
    def refuse(devices, kind):
        raise RuntimeError("Visible devices cannot be modified after being initialized")

    monkeypatch.setattr(tf.config, "set_visible_devices", refuse)
    assert selected(replace(GOOD, cards=(FULL,))) == ((), [0])


def test_problems_with_cards_are_warnings_when_tensorflow_is_set_up(monkeypatch):
    monkeypatch.setattr(gpu, "select_cards", lambda: ("NVIDIA A100 has less than 1 GiB; the CPU is used",))
    with pytest.warns(UserWarning, match="has less than 1 GiB; the CPU is used"):
        runtime.prepare()


def test_the_driver_is_not_asked_on_a_machine_without_its_device(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)  # an import would fail
    monkeypatch.setattr(os.path, "exists", lambda path: False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert gpu._ask_driver() == {}
    monkeypatch.setattr(os.path, "exists", lambda path: path == "/dev/dxg")
    assert gpu.may_have_driver()
