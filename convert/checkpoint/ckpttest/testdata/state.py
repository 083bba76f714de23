"""Writes state.pkl: the pickle that Python's own pickler makes of the state dict in pickle_test.go.

torch.save calls that pickler at protocol 2; the two names of torch that the pickle refers to are stubs here, so torch is not
needed. Run with: python3 state.py
"""

import io
import pickle
import sys
import types
from collections import OrderedDict


class FloatStorage:
    pass


def _rebuild_tensor_v2(*args):
    pass


FloatStorage.__module__ = "torch"
_rebuild_tensor_v2.__module__ = "torch._utils"
sys.modules["torch"] = torch = types.ModuleType("torch")
sys.modules["torch._utils"] = torch._utils = types.ModuleType("torch._utils")
torch.FloatStorage = FloatStorage
torch._utils._rebuild_tensor_v2 = _rebuild_tensor_v2


class Storage:
    def __init__(self, key, numel):
        self.key, self.numel = key, numel


class Tensor:
    def __init__(self, storage, size, stride):
        self.storage, self.size, self.stride = storage, size, stride

    def __reduce_ex__(self, protocol):
        return _rebuild_tensor_v2, (self.storage, 0, self.size, self.stride, False, OrderedDict())


class Pickler(pickle._Pickler):
    def persistent_id(self, obj):
        if isinstance(obj, Storage):
            return "storage", FloatStorage, obj.key, "cpu", obj.numel


state = OrderedDict()
state["a.weight"] = Tensor(Storage("0", 6), (2, 3), (3, 1))
state["b.weight"] = Tensor(Storage("1", 300), (300,), (1,))
state["c"] = Tensor(Storage("2", 24), (1, 2, 3, 4), (24, 12, 4, 1))
state["d"] = Tensor(Storage("3", 1), (), ())
state._metadata = OrderedDict([("", {"version": 1})])

out = io.BytesIO()
Pickler(out, protocol=2).dump(state)
with open("state.pkl", "wb") as f:
    f.write(out.getvalue())
