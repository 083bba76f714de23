package checkpoint

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"st/convert/checkpoint/ckpttest"
)

// torchState is a state dict that has what torch files may hold: types, views, storages in common.
func torchState() []ckpttest.Tensor {
	return []ckpttest.Tensor{
		{Name: "f32", DType: "F32", Shape: []int{2, 3}, Data: ramp(6)},
		{Name: "f16", DType: "F16", Shape: []int{2, 3}, Data: ramp(6)},
		{Name: "bf16", DType: "BF16", Shape: []int{4}, Data: ramp(4)},
		{Name: "scalar", DType: "F32", Data: ramp(1)},
		{Name: "transposed", DType: "BF16", Shape: []int{3, 5}, Data: ramp(15), Strides: []int{1, 3}},
		{Name: "permuted", DType: "F32", Shape: []int{2, 3, 4}, Data: ramp(24), Strides: []int{4, 8, 1}},
		{Name: "every second", DType: "F16", Shape: []int{4}, Data: ramp(4), Strides: []int{2}, Offset: 1},
		{Name: "tied", DType: "F32", Shape: []int{7}, Data: ramp(7), Storage: "common"},
		{Name: "also tied", DType: "F32", Shape: []int{7}, Data: ramp(7), Storage: "common"},
		{Name: "part", DType: "F32", Shape: []int{1, 3}, Data: []float32{4, 5, 6}, Storage: "common", Offset: 4, Strides: []int{99, 1}},
		{Name: "empty", DType: "F32", Shape: []int{0, 3}},
	}
}

// TestTorchExpanded reads tensors in which the same elements come again and again, as expand makes them.
func TestTorchExpanded(t *testing.T) {
	view := func(offset, size, stride string) string {
		return "\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000" +
			"X\x03\x00\x00\x00cpuK\x02tQ" + offset + size + stride + "\x89ccollections\nOrderedDict\n)RtRs."
	}
	for _, tt := range []struct{ name, offset, size, stride, want string }{
		{"a number", "K\x01", "K\x05\x85", "K\x00\x85", "[2 2 2 2 2]"},
		{"a row", "K\x00", "K\x03K\x02\x86", "K\x00K\x01\x86", "[1 2 1 2 1 2]"},
		{"a column", "K\x00", "K\x02K\x03\x86", "K\x01K\x00\x86", "[1 1 1 2 2 2]"},
	} {
		path := writeFile(t, torchFile(t, view(tt.offset, tt.size, tt.stride), "\x00\x00\x80\x3f\x00\x00\x00\x40"), t.TempDir(), "m.bin")
		if got := fmt.Sprint(readTensor(t, mustOpen(t, path), "w")); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestTorchDicts reads state dicts that are no plain ones of protocol 2: of pickle_protocol=1, and such as know what values they lack.
func TestTorchDicts(t *testing.T) {
	entry := func(no string) string {
		return "(X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000" +
			"X\x03\x00\x00\x00cpuK\x02tQK\x00(K\x02t(K\x01t" + no + "ccollections\nOrderedDict\n)RtRu."
	}
	for name, pickle := range map[string]string{
		"protocol 1":        "ccollections\nOrderedDict\n)R" + entry("I00\n"),
		"defaultdict":       "\x80\x02ccollections\ndefaultdict\nc__builtin__\nlist\n\x85R" + entry("\x89"),
		"of protocol 3":     "\x80\x03ccollections\ndefaultdict\ncbuiltins\nfloat\n\x85R" + entry("\x89"),
		"without a factory": "\x80\x02ccollections\ndefaultdict\n)R" + entry("\x89"),
	} {
		path := writeFile(t, torchFile(t, pickle, "\x00\x00\x80\x3f\x00\x00\x00\x40"), t.TempDir(), "m.bin")
		if got := readTensor(t, mustOpen(t, path), "w"); !slices.Equal(got, []float32{1, 2}) {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestTorch(t *testing.T) {
	for name, opts := range map[string]*ckpttest.TorchOptions{
		"plain":      nil,
		"wrapped":    {Wrap: "state_dict"},
		"DeepSpeed":  {Wrap: "module"},
		"by hand":    {Wrap: "model_state_dict"},
		"as model":   {Wrap: "model"},
		"parameters": {Parameters: true},
		"directory":  {Dir: "pytorch_model"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "m.bin")
			must(t, ckpttest.WriteTorch(path, torchState(), opts))
			c := mustOpen(t, path)
			if len(c.Tensors()) != len(torchState()) {
				t.Errorf("%d tensors", len(c.Tensors()))
			}
			for _, want := range torchState() {
				if got := readTensor(t, c, want.Name); !slices.Equal(got, want.Data) {
					t.Errorf("%s: got %v, want %v", want.Name, got, want.Data)
				}
				tensor, _ := c.Lookup(want.Name)
				if tensor.DType.String() != want.DType || !slices.Equal(tensor.Shape, want.Shape) {
					t.Errorf("%s: %s %v", want.Name, tensor.DType, tensor.Shape)
				}
			}
			if !slices.IsSortedFunc(c.Tensors(), func(a, b *Tensor) int { return int(a.off - b.off) }) {
				t.Error("tensors are not in the order of the file")
			}
		})
	}
}

// TestTorchMany: a state dict of more tensors than are set at once, or than a memo index of one byte counts.
func TestTorchMany(t *testing.T) {
	var tensors []ckpttest.Tensor
	for i := range 2100 {
		tensors = append(tensors, ckpttest.Tensor{Name: fmt.Sprintf("layers.%d", i), DType: "F32", Data: []float32{float32(i)}})
	}
	path := filepath.Join(t.TempDir(), "m.bin")
	must(t, ckpttest.WriteTorch(path, tensors, nil))
	c := mustOpen(t, path)
	for _, want := range tensors {
		if got := readTensor(t, c, want.Name); got[0] != want.Data[0] {
			t.Fatalf("%s: %v", want.Name, got)
		}
	}
}

// torchFile returns a torch file of the given pickle and storages "0", "1" …
func torchFile(t testing.TB, pickle string, storages ...string) []byte {
	t.Helper()
	entries := []ckpttest.Entry{{Name: "data.pkl", Data: []byte(pickle)}}
	for i, s := range storages {
		entries = append(entries, ckpttest.Entry{Name: "data/" + string(rune('0'+i)), Data: []byte(s)})
	}
	data, err := ckpttest.EncodeZip("", entries)
	must(t, err)
	return data
}

// TestTorchProtocol4 reads what pickle_protocol=4 makes of a plain dict with a tensor of a torch.Size.
func TestTorchProtocol4(t *testing.T) {
	frame := "}\x94\x8c\x01w\x94" +
		"\x8c\x0ctorch._utils\x94\x8c\x12_rebuild_tensor_v2\x94\x93\x94(" +
		"(\x8c\x07storage\x94\x8c\x05torch\x94\x8c\x0cFloatStorage\x94\x93\x94\x8c\x010\x94\x8c\x03cpu\x94K\x02t\x94Q" +
		"K\x00ctorch\nSize\nK\x02\x85\x94R\x94K\x01\x85\x94\x89ccollections\nOrderedDict\n)R\x94t\x94R\x94s."
	pickle := "\x80\x04\x95" + string(binary.LittleEndian.AppendUint64(nil, uint64(len(frame)))) + frame
	path := writeFile(t, torchFile(t, pickle, "\x00\x00\x80\x3f\x00\x00\x00\x40"), t.TempDir(), "m.bin")
	if got := readTensor(t, mustOpen(t, path), "w"); !slices.Equal(got, []float32{1, 2}) {
		t.Errorf("got %v", got)
	}
}

func TestPickleLimits(t *testing.T) {
	for name, tc := range map[string]struct{ pickle, want string }{
		"string longer than the pickle": {"\x80\x02X\xff\xff\xff\xffabc.", "ends too early"},
		"64-bit string length":          {"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", "ends too early"},
		"frame beyond the end":          {"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f}.", "ends too early"},
		"class name without end":        {"\x80\x02ctorch\nFloat", "ends too early"},
		"argument cut":                  {"\x80\x02J\x00\x00", "ends too early"},
		"no STOP":                       {"\x80\x02}", "ends too early"},
		"empty":                         {"", "ends too early"},
		"deep marks":                    {"\x80\x02((((((((((((((((((((.", "marks"},
		"unbalanced marks":              {"\x80\x02t.", "marks"},
		"long of four-byte length":      {"\x80\x02\x8b\xff\xff\xff\x7f.", "opcode 0x8b"},
		"instance":                      {"\x80\x02(ios\nsystem\n.", "opcode 0x69"},
		"extension":                     {"\x80\x02\x82\x01.", "opcode 0x82"},
		"no such opcode":                {"\x80\x02\xff.", "opcode 0xff"},
		"long of no bytes":              {"\x80\x02\x8a\x00.", "malformed pickle"},
		"key without value":             {"\x80\x02}(K\x01u.", "malformed pickle"},
		"empty stack":                   {"\x80\x02.", "malformed pickle"},
		"future protocol":               {"\x80\x09}.", "malformed pickle"},
		"class by stack":                {"\x80\x04\x8c\x02os\x8c\x06system\x93.", `refusing to load class "os.system"`},
		"persistent id":                 {"\x80\x02K\x01Q.", "persistent id"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := unpickle([]byte(tc.pickle))
			wantError(t, err, tc.want)
		})
	}
	many := make([]byte, maxObjects+2)
	for i := range many {
		many[i] = '}'
	}
	wantError(t, checkPickle(many), "objects")
}

// TestPickleKinds: a file that holds more than a state dict is sound, and its weights can be saved alone; getting it once more does not help.
func TestPickleKinds(t *testing.T) {
	const model = "c__main__\nModel\n)\x81}X\x01\x00\x00\x00ac__builtin__\nset\n]\x85Rsb."
	for name, tc := range map[string]struct {
		pickle string
		kind   error
		want   string
	}{
		"a whole model":                    {"\x80\x02" + model, ErrTorch, `refusing to load class "__main__.Model"`},
		"a whole model, by protocol 1":     {model, ErrTorch, `refusing to load class "__main__.Model"`},
		"a whole model, by protocol 4":     {"\x80\x04\x8c\x08__main__\x8c\x05Model\x93)\x81.", ErrTorch, "opcode 0x81"},
		"a model of many modules":          {"\x80\x02c__main__\nModel\n" + strings.Repeat("}(", maxMarks+1), ErrTorch, `"__main__.Model"`},
		"a set":                            {"\x80\x04}\x8f.", ErrTorch, "opcode 0x8f"},
		"a class of an older protocol":     {"(i__main__\nModel\n.", ErrTorch, "pickle_protocol=0"},
		"an opcode that there is not":      {"\x80\x02\xff.", ErrMalformed, "opcode 0xff"},
		"a state dict that ends too early": {"\x80\x02}ccollections\nOrdered", ErrMalformed, "ends too early"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := unpickle([]byte(tc.pickle))
			wantError(t, err, tc.want)
			if kind := pickleKind(err); kind != tc.kind {
				t.Errorf("the kind is %v, want %v", kind, tc.kind)
			}
		})
	}
}

func TestCheckView(t *testing.T) {
	const big = 1 << 62
	for name, tc := range map[string]struct {
		numel, offset int
		size, stride  []int
		want          string
	}{
		"rank":              {4, 0, []int{2, 2}, []int{1}, "strides"},
		"negative size":     {4, 0, []int{-2}, []int{1}, "negative"},
		"negative stride":   {4, 3, []int{2}, []int{-1}, "negative"},
		"negative offset":   {4, -1, []int{2}, []int{1}, "offset"},
		"offset":            {4, 4, []int{1}, []int{1}, "begins at the end"},
		"far offset":        {4, big, []int{1}, []int{1}, "offset"},
		"too many elements": {4, 0, []int{5}, []int{1}, "5 elements in a storage of 4"},
		"expanded too far":  {4, 0, []int{maxExpanded + 1}, []int{0}, "1048577 elements in a storage of 4"},
		"expanded and more": {4, 0, []int{3, 5}, []int{0, 1}, "15 elements in a storage of 4"},
		"huge":              {4, 0, []int{big, big}, []int{0, 0}, "too large"},
		"huge but empty":    {4, 0, []int{big, big, 0}, []int{0, 0, 0}, "too large"},
		"stride":            {4, 0, []int{2}, []int{4}, "reach beyond"},
		"huge stride":       {4, 0, []int{2, 2}, []int{big, big}, "reach beyond"},
		"sum of strides":    {4, 1, []int{2, 2}, []int{2, 1}, "reach beyond"},
		"dimensions":        {4, 0, make([]int, 65), make([]int, 65), "dimensions"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := checkView(&torchTensor{storage: &torchStorage{"0", F32, tc.numel}, offset: tc.offset, size: tc.size, stride: tc.stride})
			wantError(t, err, tc.want)
		})
	}
}

// TestTorchRebuilds reads what torch.save writes of tensors that are more than that: parameters and tensors that have attributes, and those
// of eight bits, which lie in storages of bytes.
func TestTorchRebuilds(t *testing.T) {
	const (
		call   = "ctorch._utils\n_rebuild_tensor_v2\n"
		args   = "((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQK\x00K\x02\x85K\x01\x85\x89ccollections\nOrderedDict\n)Rt"
		state  = "}X\x01\x00\x00\x00aK\x01s"
		hooks  = "\x88ccollections\nOrderedDict\n)R"
		floats = "\x00\x00\x80\x3f\x00\x00\x00\x40"
	)
	eight := func(dtype string) string {
		return "ctorch._utils\n_rebuild_tensor_v3\n((X\x07\x00\x00\x00storagectorch.storage\nUntypedStorage\n" +
			"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x03tQK\x01K\x02\x85K\x01\x85\x89ccollections\nOrderedDict\n)Rctorch\n" + dtype + "\ntR"
	}
	for _, tt := range []struct{ name, value, storage, want string }{
		{"parameter with state", "ctorch._utils\n_rebuild_parameter_with_state\n(" + call + args + "R" + hooks + state + "tR", floats, "[1 2]"},
		{"tensor with attributes", "ctorch._tensor\n_rebuild_from_type_v2\n(" + call + "ctorch\nTensor\n" + args + state + "tR", floats, "[1 2]"},
		{"float8_e4m3fn", eight("float8_e4m3fn"), "\xff\x38\x40", "[1 2]"},
		{"float8_e5m2", eight("float8_e5m2"), "\xff\x3c\x40", "[1 2]"},
		{"rebuilt of itself", "ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._tensor\n_rebuild_from_type_v2\nctorch\nTensor\n" + args + state + "tR", floats, "_rebuild_from_type_v2 does not hold a tensor"},
		{"a type in place of a storage", strings.Replace(eight("float8_e5m2"), "ctorch\nfloat8_e5m2\n", "K\x01", 1), "abc", "wrong type"},
		{"a storage that is too small", eight("float32"), "abc", "its storage is 3 bytes, not 0 elements of F32"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := writeFile(t, torchFile(t, "\x80\x02}X\x01\x00\x00\x00w"+tt.value+"s.", tt.storage), t.TempDir(), "m.bin")
			c, err := Open(path)
			if err != nil {
				wantError(t, err, path, tt.want)
				return
			}
			defer c.Close()
			if got := fmt.Sprint(readTensor(t, c, "w")); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
