package checkpoint

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"st/convert/checkpoint/ckpttest"
)

// malformed is one checkpoint of the corpus: a file, whose name in files is empty, or a directory of files.
type malformed struct {
	name  string
	want  string // words of its error
	files map[string][]byte
}

func oneFile(name, want string, data []byte) malformed {
	return malformed{name, want, map[string][]byte{"": data}}
}

const (
	lfsPointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 4974351472\n"
	webPage    = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n"
)

func malformedSafetensors(t *testing.T) []malformed {
	good, err := ckpttest.EncodeSafetensors([]ckpttest.Tensor{
		{Name: "a", DType: "F32", Shape: []int{2, 2}, Data: ramp(4)},
		{Name: "b", DType: "BF16", Shape: []int{4}, Data: ramp(4)},
	})
	must(t, err)
	withLength := func(n uint64) []byte {
		return append(binary.LittleEndian.AppendUint64(nil, n), good[8:]...)
	}
	cases := []malformed{
		oneFile("empty.safetensors", "the file is empty", nil),
		oneFile("tiny.safetensors", "a short text, not the file itself: \"abc\"", []byte("abc")),
		oneFile("lfs-pointer.safetensors", "a Git LFS pointer, not the file itself, which has 4974351472 bytes", []byte(lfsPointer)),
		oneFile("web-page.safetensors", "a web page", []byte("\n"+webPage)),
		oneFile("length-zero.safetensors", "header length is zero", withLength(0)),
		oneFile("length-beyond-file.safetensors", "header length is 4096 but the file is only", withLength(4096)),
		oneFile("length-beyond-format.safetensors", "more than the format's 100000000", withLength(100_000_001)),
		oneFile("length-negative.safetensors", "more than the format's 100000000", withLength(1<<64-1)),
		oneFile("truncated.safetensors", `tensor "b": cut off: the file is 173 bytes, 3 short`, good[:len(good)-3]),
		oneFile("trailing.safetensors", "7 extra bytes at the end", append(bytes.Clone(good), "garbage"...)),
	}
	const a = `"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`
	for _, m := range []struct{ name, want, header string }{
		{"not-json", "header: not JSON", `GGUF, or something else`},
		{"json-cut", "header: not JSON", `{` + a},
		{"json-array", `header: no "{"`, `[1,2]`},
		{"json-more", "more text follows", `{` + a + `} {}`},
		{"no-tensors", "names no tensors", `{"__metadata__":{"format":"pt"}}`},
		{"metadata-not-strings", `__metadata__: "format": not a string`, `{"__metadata__":{"format":1},` + a + `}`},
		{"metadata-not-object", "__metadata__", `{"__metadata__":"pt",` + a + `}`},
		{"name-twice", `"a" appears twice`, `{` + a + `,` + a + `}`},
		{"name-empty", "empty name", `{"":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`},
		{"entry-not-object", `tensor "a": no "{"`, `{"a":3}`},
		{"field-twice", `tensor "a": "shape" appears twice`, `{"a":{"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]}}`},
		{"dtype-missing", `tensor "a": no dtype`, `{"a":{"shape":[2],"data_offsets":[0,8]}}`},
		{"dtype-case", `tensor "a": no dtype`, `{"a":{"DType":"F32","shape":[2],"data_offsets":[0,8]}}`},
		{"dtype-unknown", `unknown dtype "Q4_K"`, `{"a":{"dtype":"Q4_K","shape":[2],"data_offsets":[0,8]}}`},
		{"dtype-unreadable", "I64 weights cannot be read", `{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}`},
		{"shape-missing", `tensor "a": no shape`, `{"a":{"dtype":"F32","data_offsets":[0,8]}}`},
		{"shape-negative", `"-2" is not an integer`, `{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}`},
		{"shape-fraction", `"2.5" is not an integer`, `{"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}`},
		{"shape-null", "not a list of integers", `{"a":{"dtype":"F32","shape":[null],"data_offsets":[0,8]}}`},
		{"shape-mismatch", "takes 12 bytes, but data_offsets span 8", `{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}`},
		{"shape-overflow", "too large for any file", `{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}`},
		{"shape-overflow-empty", "too large for any file", `{"a":{"dtype":"F32","shape":[0,9223372036854775807,2],"data_offsets":[0,8]}}`},
		{"shape-deep", "more than 64 numbers", `{"a":{"dtype":"F32","shape":[2` + strings.Repeat(",1", 64) + `],"data_offsets":[0,8]}}`},
		{"bits-not-bytes", "do not fill whole bytes", `{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,8]}}`},
		{"offsets-one", "data_offsets has 1 numbers", `{"a":{"dtype":"F32","shape":[2],"data_offsets":[8]}}`},
		{"offsets-reversed", "before they begin", `{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}`},
		{"offsets-huge", "is not an integer", `{"a":{"dtype":"F32","shape":[2],"data_offsets":[18446744073709551608,18446744073709551616]}}`},
		{"offsets-beyond-file", "cut off", `{"a":{"dtype":"F32","shape":[200],"data_offsets":[0,800]}}`},
		{"overlap", `tensor "b": its bytes begin at 4, inside another`, `{` + a + `,"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`},
		{"hole", `tensor "b": 4 bytes before it belong to no tensor`, `{"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`},
	} {
		cases = append(cases, oneFile(m.name+".safetensors", m.want, ckpttest.RawSafetensors(m.header, make([]byte, 8))))
	}
	return cases
}

func malformedIndexes(t *testing.T) []malformed {
	shard, err := ckpttest.EncodeSafetensors([]ckpttest.Tensor{
		{Name: "a", DType: "F32", Shape: []int{1}, Data: ramp(1)},
		{Name: "b", DType: "F32", Shape: []int{1}, Data: ramp(1)},
	})
	must(t, err)
	var cases []malformed
	for _, m := range []struct{ name, want, index string }{
		{"empty", "the file is empty", ``},
		{"lfs-pointer", "a Git LFS pointer, not the file itself, which has 4974351472 bytes", lfsPointer},
		{"web-page", "a web page", webPage},
		{"not-json", "not JSON", `{"weight_map":{"a":"s1.safetensors"`},
		{"not-object", `no "{"`, `["s1.safetensors"]`},
		{"no-map", "weight_map is missing or empty", `{"metadata":{"total_size":8}}`},
		{"map-empty", "weight_map is missing or empty", `{"weight_map":{}}`},
		{"map-twice", `"weight_map" appears twice`, `{"weight_map":{"a":"s1.safetensors"},"weight_map":{}}`},
		{"tensor-twice", `"a" appears twice`, `{"weight_map":{"a":"s1.safetensors","a":"s1.safetensors"}}`},
		{"shard-not-string", `tensor "a": file name: not a string`, `{"weight_map":{"a":1}}`},
		{"shard-absent", "model.safetensors.index.json: 1 of 2 shards are not there: s2.safetensors", `{"weight_map":{"a":"s1.safetensors","b":"s1.safetensors","c":"s2.safetensors"}}`},
		{"shard-outside", `refusing shard "../lfs-pointer.safetensors"`, `{"weight_map":{"a":"../lfs-pointer.safetensors"}}`},
		{"shard-absolute", `refusing shard "/etc/passwd"`, `{"weight_map":{"a":"/etc/passwd"}}`},
		{"shard-windows", "refusing shard", `{"weight_map":{"a":"C:\\s1.safetensors"}}`},
		{"shard-directory", `refusing shard "."`, `{"weight_map":{"a":"."}}`},
		{"tensor-absent", `tensor "c": model.safetensors.index.json names it`, `{"weight_map":{"a":"s1.safetensors","b":"s1.safetensors","c":"s1.safetensors"}}`},
		{"tensor-unlisted", `tensor "b": the shard holds it`, `{"weight_map":{"a":"s1.safetensors"}}`},
	} {
		cases = append(cases, malformed{"index-" + m.name, m.want, map[string][]byte{
			"model.safetensors.index.json": []byte(m.index),
			"s1.safetensors":               shard,
		}})
	}
	return cases
}

func malformedTorch(t *testing.T) []malformed {
	encode := func(opts *ckpttest.TorchOptions, tensors ...ckpttest.Tensor) []byte {
		data, err := ckpttest.EncodeTorch(tensors, opts)
		must(t, err)
		return data
	}
	zipped := func(entries ...ckpttest.Entry) []byte {
		data, err := ckpttest.EncodeZip("", entries)
		must(t, err)
		return data
	}
	w := ckpttest.Tensor{Name: "w", DType: "F32", Shape: []int{2}, Data: ramp(2)}
	good := encode(nil, w)
	damaged := bytes.Replace(good, []byte("FloatStorage"), []byte("F1oatStorage"), 1)
	// tensor is a pickled tensor "w" with the given fields in place of offset 0, size (2,), stride (1,) of storage 0.
	tensor := func(fields string) string {
		return "\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n" +
			"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQ" + fields + "\x89ccollections\nOrderedDict\n)RtRs."
	}
	cases := []malformed{
		oneFile("empty.bin", "the file is empty", nil),
		oneFile("lfs-pointer.bin", "a Git LFS pointer, not the file itself, which has 4974351472 bytes", []byte(lfsPointer)),
		oneFile("web-page.bin", "a web page", []byte(webPage)),
		oneFile("not-torch.bin", "neither a zip file nor an older torch file", []byte("neither\x00this nor that")),
		oneFile("legacy.bin", "the format of torch before 1.6", []byte("\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.")),
		oneFile("legacy-4.bin", "the format of torch before 1.6", []byte("\x80\x04\x95\x0d\x00\x00\x00\x00\x00\x00\x00\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x04M\xe9\x03.")),
		oneFile("legacy-0.bin", "the format of torch before 1.6", []byte("L119547037146038801333356L\n.I1001\n.\x00\x01\x02")),
		oneFile("legacy-tar.bin", "the format of torch before 1.6", append(append(make([]byte, 257), "ustar"...), make([]byte, 250)...)),
		oneFile("truncated.bin", "cut short or damaged", good[:len(good)-100]),
		oneFile("damaged.bin", "data.pkl: zip: checksum error", damaged),
		oneFile("no-pickle.bin", "a zip file without data.pkl", zipped(ckpttest.Entry{Name: "version", Data: []byte("3\n")})),
		oneFile("entry-twice.bin", "appears twice", zipped(ckpttest.Entry{Name: "data.pkl"}, ckpttest.Entry{Name: "data.pkl"})),
		oneFile("compressed.bin", `tensor "w": zip entry "data/0" is compressed`, encode(&ckpttest.TorchOptions{Compress: true}, w)),
		oneFile("big-endian.bin", `byteorder is "big"`, encode(&ckpttest.TorchOptions{ByteOrder: "big"}, w)),
		oneFile("dtype-unreadable.bin", "I64 weights cannot be read", encode(nil, ckpttest.Tensor{Name: "w", DType: "I64", Shape: []int{1}, Data: ramp(1)})),
		oneFile("nested-otherwise.bin", `entry "weights" is a dict, not a tensor`, encode(&ckpttest.TorchOptions{Wrap: "weights"}, w)),
		oneFile("storage-missing.bin", `tensor "w": zip entry "data/0" is missing`, torchFile(t, tensor("K\x00K\x02\x85K\x01\x85"))),
		oneFile("name-twice.bin", `tensor "w": appears twice`,
			torchFile(t, strings.Replace(tensor("K\x00K\x02\x85K\x01\x85"), "Rs.", "Rq\x00sX\x01\x00\x00\x00wh\x00s.", 1), "abcdefgh")),
	}
	for _, m := range []struct{ name, want, pickle string }{
		{"class-system", `refusing to load class "posix.system"`, "\x80\x02cposix\nsystem\nX\x02\x00\x00\x00ls\x85R."},
		{"class-bytes", `refusing to load class "torch.storage._load_from_bytes"`, "\x80\x02ctorch.storage\n_load_from_bytes\n."},
		{"opcode", "opcode 0x69", "\x80\x02(X\x02\x00\x00\x00lsios\nsystem\n."},
		{"pickle-cut", "ends too early", tensor("")[:60]},
		{"pickle-length", "ends too early", "\x80\x02X\xff\xff\xff\x7fx."},
		{"key-without-value", "malformed pickle", "\x80\x02}(K\x01u."},
		{"no-state", "holds a list, not a state dict", "\x80\x02]."},
		{"state-empty", "the state dict is empty", "\x80\x02}."},
		{"key-number", "a key of the state dict is an int", "\x80\x02}K\x01K\x02s."},
		{"entry-number", `entry "step" is an int, not a tensor`, "\x80\x02}X\x04\x00\x00\x00stepK\x02s."},
		{"self", `entry "w" is a dict`, "\x80\x02}q\x00X\x01\x00\x00\x00wh\x00s."},
		{"arguments", "arguments, not 6 or 7", "\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R."},
		{"storage-type", "wrong type", "\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(NNNNNNtR."},
		{"storage-id", "persistent id", "\x80\x02K\x01Q."},
		{"storage-size", "its storage is 8 bytes, not 3 elements of F32", strings.Replace(tensor("K\x00K\x02\x85K\x01\x85"), "cpuK\x02", "cpuK\x03", 1)},
		{"storage-negative", "not -1 elements", strings.Replace(tensor("K\x00K\x02\x85K\x01\x85"), "cpuK\x02", "cpuJ\xff\xff\xff\xff", 1)},
		{"offset", "reach beyond", tensor("K\x01K\x02\x85K\x01\x85")},
		{"offset-negative", "offset -1", tensor("J\xff\xff\xff\xffK\x02\x85K\x01\x85")},
		{"size-negative", "negative", tensor("K\x00J\xfe\xff\xff\xff\x85K\x01\x85")},
		{"size-huge", "too large for any file", tensor("K\x00\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85K\x01\x85")},
		{"stride-negative", "negative", tensor("K\x01K\x02\x85J\xff\xff\xff\xff\x85")},
		{"stride-beyond", "reach beyond", tensor("K\x00K\x02\x85K\x02\x85")},
		{"stride-missing", "1 sizes but 0 strides", tensor("K\x00K\x02\x85)")},
		{"expanded", "2097152 elements in a storage of 2", tensor("K\x00J\x00\x00\x20\x00\x85K\x00\x85")},
		{"protocol-0", "written with pickle_protocol=0", "(dp0\nVstep\np1\nI1\ns."},
	} {
		cases = append(cases, oneFile(m.name+".bin", m.want, torchFile(t, m.pickle, "abcdefgh")))
	}
	return cases
}
