"""The operations that are interrupted. Each says how it begins, what it runs, and what may be true after it.

A new one: a class with the three functions of operation.py, in ALL, and in REAL when it is to be tried with real guests, too. The fixture
is the VM `web`, which runs, and the snapshot `base` of it.
"""
from file_operations import BuildImage, Export, ImportImage, ImportSnapshot
from snapshot_operations import Create, CreateByEngine, CreateNamed, Protect, Prune, Remove
from vm_operations import RemoveVm, Restore, Rollback, Start, StartAgain, Stop

ALL = {operation.name: operation for operation in (
    Create(), CreateByEngine(), CreateNamed(), Remove(), Prune(), Protect(), Start(), StartAgain(), Restore(), Rollback(),
    RemoveVm(), Stop(), Export(), ImportSnapshot(), ImportImage())}
REAL = {**{name: ALL[name] for name in ("create", "delete", "prune", "start", "restore", "rollback", "import")}, "image-build": BuildImage()}


def find(name):
    return ALL.get(name) or REAL[name]
