package checkpoint

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/nlpodyssey/gopickle/pickle"
	"github.com/nlpodyssey/gopickle/types"
)

// torchTensor is a tensor as its pickle describes it; nothing about it is checked yet.
type torchTensor struct {
	storage *torchStorage
	offset  int   // of its first element in the storage, elements
	size    []int // of each dimension
	stride  []int // of each dimension, elements
	dtype   DType // of its elements, if the storage is one of bytes; 0: the storage's
}

// torchStorage is a run of elements that tensors are views of.
type torchStorage struct {
	key   string // names its entry in the zip file
	dtype DType
	numel int
}

// storageClasses are the classes of module torch that say what a storage holds.
var storageClasses = map[string]DType{
	"FloatStorage":         F32,
	"HalfStorage":          F16,
	"BFloat16Storage":      BF16,
	"DoubleStorage":        F64,
	"LongStorage":          i64,
	"IntStorage":           i32,
	"ShortStorage":         i16,
	"CharStorage":          i8,
	"ByteStorage":          u8,
	"BoolStorage":          boolean,
	"ComplexFloatStorage":  c64,
	"ComplexDoubleStorage": c128,
}

// dtypeNames are the objects of module torch that are types of elements. Tensors of the newer ones lie in storages of bytes.
var dtypeNames = map[string]DType{
	"float32": F32, "float16": F16, "bfloat16": BF16, "float64": F64, "float8_e4m3fn": F8E4M3, "float8_e5m2": F8E5M2, "float8_e8m0fnu": F8E8M0,
	"float8_e4m3fnuz": f8e4m3fnuz, "float8_e5m2fnuz": f8e5m2fnuz,
	"int64": i64, "int32": i32, "int16": i16, "int8": i8, "uint64": u64, "uint32": u32, "uint16": u16, "uint8": u8, "bool": boolean,
}

// function stands for a Python function that a pickle may call.
type function func(args []any) (any, error)

// Call makes function a types.Callable of gopickle.
func (f function) Call(args ...any) (any, error) { return f(args) }

// unpickle loads a data.pkl. Nothing in it runs: the few classes a state dict needs are Go functions here, and any other is an
// error.
func unpickle(p []byte) (result any, err error) {
	var refused refusedClass
	if err := checkPickle(p); err != nil {
		if !errors.As(err, &refused) && len(p) > 0 && p[0] != 0x80 { // PROTO, which protocols from 2 on begin with
			return nil, errOldPickle
		}
		return nil, err
	}
	// gopickle indexes and converts without checks in places, for instance a SETITEMS with a key but no value.
	defer func() {
		if recover() != nil {
			result, err = nil, errors.New("malformed pickle")
		}
	}()
	u := pickle.NewUnpickler(bytes.NewReader(p))
	u.FindClass = findClass
	u.PersistentLoad = findStorage
	result, err = u.Load()
	if errors.As(err, &refused) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("malformed pickle (%s)", oneLine(err))
	}
	return result, nil
}

// refusedClass is the error for a class that is not on the list.
type refusedClass string

func (c refusedClass) Error() string {
	return fmt.Sprintf("refusing to load class %s, only plain state dicts are read", quote(string(c)))
}

// errOldPickle is about a pickle that has what only those of protocol 0 have, which torch.load does not read either.
var errOldPickle = errors.New("written with pickle_protocol=0; 1 and above are read")

// pickleKind returns the kind of an error of unpickle.
func pickleKind(err error) error {
	var refused refusedClass
	var stray strayOpcode
	if errors.As(err, &refused) || err == errOldPickle || errors.As(err, &stray) && stray.ofObjects() {
		return ErrTorch
	}
	return ErrMalformed
}

// findClass returns what stands for a Python class; nil for those that gopickle itself provides: collections.OrderedDict and two harmless classes,
// __builtin__.object and copy_reg._reconstructor, whose objects are never taken for tensors.
func findClass(module, name string) (any, error) {
	switch module + "." + name {
	case "collections.OrderedDict", "__builtin__.object", "copy_reg._reconstructor":
		return nil, nil
	case "torch._utils._rebuild_tensor_v2":
		return function(rebuildTensor), nil
	case "torch._utils._rebuild_tensor_v3":
		return function(rebuildTensorV3), nil
	case "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state":
		return function(rebuildParameter), nil
	case "torch._tensor._rebuild_from_type_v2":
		return rebuildFromType{}, nil
	case "torch.Tensor", "torch._tensor.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer":
		return tensorClass{}, nil
	case "torch.storage.UntypedStorage":
		return u8, nil
	case "collections.defaultdict": // a dict, and what makes the values that it lacks
		return function(func([]any) (any, error) { return types.NewDict(), nil }), nil
	case "__builtin__.list", "__builtin__.dict", "__builtin__.int", "__builtin__.float", "builtins.list", "builtins.dict", "builtins.int", "builtins.float":
		return factory{}, nil
	case "torch.Size":
		return function(func(args []any) (any, error) { return types.NewTupleFromSlice(args), nil }), nil
	}
	if d, ok := storageClasses[name]; ok && module == "torch" {
		return d, nil
	}
	if d, ok := dtypeNames[name]; ok && module == "torch" {
		return d, nil
	}
	return nil, refusedClass(module + "." + name)
}

// findStorage reads a persistent id: ("storage", class, key, device, number of elements).
func findStorage(id any) (any, error) {
	tuple, ok := id.(*types.Tuple)
	if !ok || tuple.Len() != 5 || tuple.Get(0) != "storage" {
		return nil, errors.New("a persistent id is not that of a storage")
	}
	d, ok1 := tuple.Get(1).(DType)
	key, ok2 := tuple.Get(2).(string)
	numel, ok3 := tuple.Get(4).(int)
	if !ok1 || !ok2 || !ok3 {
		return nil, errors.New("a storage's persistent id has fields of the wrong type")
	}
	return &torchStorage{key, d, numel}, nil
}

// rebuildTensor is torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks, [metadata]).
func rebuildTensor(args []any) (any, error) {
	if len(args) != 6 && len(args) != 7 {
		return nil, fmt.Errorf("_rebuild_tensor_v2 has %d arguments, not 6 or 7", len(args))
	}
	storage, ok1 := args[0].(*torchStorage)
	offset, ok2 := args[1].(int)
	size, ok3 := ints(args[2])
	stride, ok4 := ints(args[3])
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return nil, errors.New("_rebuild_tensor_v2 has arguments of the wrong type")
	}
	return &torchTensor{storage: storage, offset: offset, size: size, stride: stride}, nil
}

// rebuildTensorV3 is torch._utils._rebuild_tensor_v3(storage, offset, size, stride, requires_grad, backward_hooks, dtype, [metadata]):
// a tensor of a type that has no class of storages, in one of bytes. The offset counts elements.
func rebuildTensorV3(args []any) (any, error) {
	if len(args) != 7 && len(args) != 8 {
		return nil, fmt.Errorf("_rebuild_tensor_v3 has %d arguments, not 7 or 8", len(args))
	}
	t, err := rebuildTensor(args[:6])
	if err != nil {
		return nil, err
	}
	dtype, ok := args[6].(DType)
	tensor := t.(*torchTensor)
	if !ok || tensor.storage.dtype != u8 {
		return nil, errors.New("_rebuild_tensor_v3 has arguments of the wrong type")
	}
	tensor.dtype = dtype
	return tensor, nil
}

// tensorClass stands for torch.Tensor and its kinds, which are arguments and not called.
type tensorClass struct{}

// factory stands for a class that is the argument of a defaultdict, and is not called.
type factory struct{}

// rebuildFromType is torch._tensor._rebuild_from_type_v2(function, class, arguments, state), which saves a tensor that has attributes.
// It is no function of this package, so that it cannot be nested in itself.
type rebuildFromType struct{}

func (rebuildFromType) Call(args ...any) (any, error) {
	if len(args) == 4 {
		rebuild, ok1 := args[0].(function)
		_, ok2 := args[1].(tensorClass)
		inner, ok3 := args[2].(*types.Tuple)
		if ok1 && ok2 && ok3 {
			return rebuild(*inner)
		}
	}
	return nil, errors.New("_rebuild_from_type_v2 does not hold a tensor")
}

// rebuildParameter is torch._utils._rebuild_parameter(data, requires_grad, backward_hooks), and _rebuild_parameter_with_state, whose
// fourth argument holds the attributes that the parameter has.
func rebuildParameter(args []any) (any, error) {
	if len(args) == 3 || len(args) == 4 {
		if t, ok := args[0].(*torchTensor); ok {
			return t, nil
		}
	}
	return nil, errors.New("_rebuild_parameter does not hold a tensor")
}

// ints returns the elements of a tuple or list of integers.
func ints(v any) ([]int, bool) {
	var items []any
	switch v := v.(type) {
	case *types.Tuple:
		items = *v
	case *types.List:
		items = *v
	default:
		return nil, false
	}
	out := make([]int, len(items))
	for i, item := range items {
		n, ok := item.(int)
		if !ok {
			return nil, false
		}
		out[i] = n
	}
	return out, true
}

// dictEntries returns the entries of a dict in their order.
func dictEntries(v any) ([]types.DictEntry, bool) {
	switch v := v.(type) {
	case *types.Dict:
		return *v, true
	case *types.OrderedDict:
		entries := make([]types.DictEntry, 0, v.Len())
		for e := v.List.Front(); e != nil; e = e.Next() {
			entry := e.Value.(*types.OrderedDictEntry)
			entries = append(entries, types.DictEntry{Key: entry.Key, Value: entry.Value})
		}
		return entries, true
	default:
		return nil, false
	}
}

// pythonType names the type of an unpickled value for an error.
func pythonType(v any) string {
	switch v.(type) {
	case nil:
		return "None"
	case bool:
		return "a bool"
	case int:
		return "an int"
	case float64:
		return "a float"
	case string:
		return "a string"
	case *types.List:
		return "a list"
	case *types.Tuple:
		return "a tuple"
	case *types.Dict, *types.OrderedDict:
		return "a dict"
	case *torchTensor:
		return "a tensor"
	case *torchStorage:
		return "a storage"
	default:
		return "an object"
	}
}
