"""The operations that are interrupted. Each says how it begins, what it runs, and what may be true after it.

A new one: a class with the three functions of operation.py, in ALL, and in REAL when it is to be tried with real guests, too. The fixture
is the VM `web`, which runs, and the snapshot `base` of it.
"""
from file_operations import BuildImage, Export, ExportThin, ImportDirectory, ImportImage, ImportSnapshot, Repair
from snapshot_operations import (Create, CreateByEngine, CreateNamed, CreateOfClone, CreateOfStopped, CreateWhilePaused, CreateWithoutDisk,
                                 Protect, Prune, Relabel, Remove, Rename, Unprotect)
from start_operations import Restore, Start, StartAgain, StartDisk, StartFiles, StartOnNetwork
from vm_operations import RemoveVm, Rollback, SetDisk, SetEgress, Stop

ALL = {operation.name: operation for operation in (
    Create(), CreateByEngine(), CreateNamed(), CreateOfClone(), CreateOfStopped(), CreateWithoutDisk(), CreateWhilePaused(),
    Remove(), Prune(), Protect(), Unprotect(), Relabel(), Rename(),
    Start(), StartFiles(), StartAgain(), StartOnNetwork(), Restore(), StartDisk(), Rollback(), RemoveVm(), Stop(), SetEgress(), SetDisk(),
    Export(), ExportThin(), ImportSnapshot(), ImportDirectory(), ImportImage(), Repair())}
REAL = {**{name: ALL[name] for name in ("create", "delete", "prune", "start", "restore", "rollback", "import")}, "image-build": BuildImage()}


def find(name):
    return ALL.get(name) or REAL[name]
