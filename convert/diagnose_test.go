package convert_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"st/convert"
	"st/convert/checkpoint"
	"st/convert/checkpoint/ckpttest"
	"st/convert/modeltest"
	"st/format"
	"st/format/plaintext"
)

// zipped returns a zip file with one entry, compressed as zip programs do it.
func zipped(t *testing.T, name string) string {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create(name)
	ok(t, err)
	_, err = w.Write([]byte(strings.Repeat("x", 4096)))
	ok(t, err)
	ok(t, z.Close())
	return b.String()
}

// TestDiagnose: what cannot be converted is told for what it is, with what to do.
func TestDiagnose(t *testing.T) {
	type object = map[string]any
	weights := func(text string) layOut { return with("model.safetensors", text) }
	config := func(text string) layOut { return with("config.json", text) }
	only := func(src string, files ...string) layOut { // no checkpoint at all
		return func(t *testing.T, dir string, m *modeltest.Model) string {
			for _, f := range files {
				write(t, "x", dir, f)
			}
			return src
		}
	}
	for _, tt := range []struct {
		name   string
		layOut layOut
		kind   error
		want   []string
	}{
		// 11: quantized already
		{"bitsandbytes 4", quantizedAs(object{"quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_quant_type": "nf4"}, map[string]string{".weight": "U8", ".weight.absmax": "U8"}),
			convert.ErrQuantized, []string{"bitsandbytes to 4 bits NF4", "quantization_config in config.json", ".weight.absmax", "BF16"}},
		{"bitsandbytes 8 of old", quantizedAs(object{"load_in_8bit": true}, map[string]string{".weight": "I8", ".SCB": "F32"}), convert.ErrQuantized, []string{"bitsandbytes to 8 bits", ".SCB"}},
		{"bitsandbytes by its tensors", quantizedAs(nil, map[string]string{".weight": "U8", ".weight.quant_state.bitsandbytes__nf4": "U8"}), convert.ErrQuantized, []string{"bitsandbytes to 4 bits NF4"}},
		{"GPTQ", quantizedAs(object{"quant_method": "gptq", "bits": 4}, map[string]string{".qweight": "I32", ".qzeros": "I32", ".scales": "F16", ".g_idx": "I32"}), convert.ErrQuantized, []string{"GPTQ to 4 bits"}},
		{"GPTQ by its tensors", quantizedAs(nil, map[string]string{".qweight": "I32", ".scales": "F16", ".g_idx": "I32"}), convert.ErrQuantized, []string{"by GPTQ (tensor"}},
		{"AWQ", quantizedAs(object{"quant_method": "awq", "bits": 4}, map[string]string{".qweight": "I32", ".qzeros": "I32"}), convert.ErrQuantized, []string{"AWQ to 4 bits"}},
		{"compressed-tensors", quantizedAs(object{"quant_method": "compressed-tensors", "format": "pack-quantized"}, map[string]string{".weight_packed": "I32", ".weight_scale": "BF16"}),
			convert.ErrQuantized, []string{"compressed-tensors, pack-quantized"}},
		{"INT8 with scales", quantizedAs(object{"quant_method": "compressed-tensors", "format": "int-quantized"}, map[string]string{".weight": "I8", ".weight_scale": "BF16"}),
			convert.ErrQuantized, []string{"compressed-tensors, int-quantized"}},
		{"MXFP4", quantizedAs(object{"quant_method": "mxfp4"}, map[string]string{"_blocks": "U8", "_scales": "U8"}), convert.ErrQuantized, []string{"MXFP4"}},
		{"HQQ", quantizedAs(object{"quant_config": object{}, "quant_method": "hqq"}, map[string]string{".W_q": "U8"}), convert.ErrQuantized, []string{"HQQ"}},
		{"AQLM", quantizedAs(object{"quant_method": "aqlm"}, map[string]string{".codes": "I8", ".codebooks": "F16"}), convert.ErrQuantized, []string{"AQLM"}},
		{"EXL3", quantizedAs(object{"quant_method": "exl3", "bits": 4.0}, map[string]string{".trellis": "I32", ".suh": "F16", ".svh": "F16"}), convert.ErrQuantized, []string{"exl3 to 4 bits"}},
		{"EXL2 by its tensors", quantizedAs(nil, map[string]string{".q_weight": "I32", ".q_scale": "I32"}), convert.ErrQuantized, []string{"EXL2"}},
		{"VPTQ by its tensors", quantizedAs(nil, map[string]string{".centroids.weight": "F16", ".indices": "I32"}), convert.ErrQuantized, []string{"VPTQ"}},
		{"EETQ", quantizedAs(object{"quant_method": "eetq"}, map[string]string{".weight": "I8", ".weight_scales": "F16"}), convert.ErrQuantized, []string{"EETQ"}},
		{"quanto", quantizedAs(object{"quant_method": "quanto", "weights": "int8"}, map[string]string{".weight._data": "I8", ".weight._scale": "F16"}), convert.ErrQuantized, []string{"quanto to int8"}},
		{"torchao", quantizedAs(object{"quant_method": "torchao"}, map[string]string{".weight": "I8"}), convert.ErrQuantized, []string{"torchao"}},
		{"torchao, by parts", quantizedAs(object{"quant_method": "torchao"}, map[string]string{".weight:qdata": "I8", ".weight:scale": "F32"}),
			convert.ErrQuantized, []string{"torchao", ".weight:qdata"}},
		{"torchao, by parts of Transformers 5", quantizedAs(nil, map[string]string{"._weight_qdata": "U8", "._weight_scale": "F32"}),
			convert.ErrQuantized, []string{"a method that stores U8", "._weight_qdata"}},
		{"NVFP4", quantizedAs(object{"quant_algo": "NVFP4"}, map[string]string{".weight": "U8", ".weight_scale_2": "F32"}), convert.ErrQuantized, []string{"NVFP4"}},
		{"MLX", quantizedAs(object{"bits": 4, "group_size": 64}, map[string]string{".weight": "I32", ".scales": "F16", ".biases": "F16"}), convert.ErrQuantized, []string{".scales"}},
		{"a type that is not read", quantizedAs(nil, map[string]string{".weight": "I64"}), checkpoint.ErrDType, []string{"I64 weights cannot be read", "save the model in another type"}},
		{"FP8 without scales", quantizedAs(object{"quant_method": "fp8"}, map[string]string{".weight": "F8_E4M3"}), convert.ErrScale, []string{"weight_scale_inv", "are missing", "one revision"}},
		{"FP8 with scales of other blocks", quantizedAs(object{"quant_method": "fp8"}, map[string]string{".weight": "F8_E4M3", ".weight_scale_inv": "F32"}), convert.ErrScale, []string{"blocks of 128 by 128"}},

		// 12: LoRA
		{"LoRA adapter", func(t *testing.T, dir string, m *modeltest.Model) string {
			write(t, `{"base_model_name_or_path":"org/base"}`, dir, "adapter_config.json")
			ok(t, ckpttest.WriteSafetensors(filepath.Join(dir, "adapter_model.safetensors"), []ckpttest.Tensor{{Name: "base_model.model.lora_A.weight", DType: "F32", Data: []float32{1}}}))
			return "."
		}, convert.ErrAdapter, []string{"a LoRA adapter, not a model", `its model is "org/base"`, "merge_and_unload"}},
		{"LoRA adapter beside config.json", func(t *testing.T, dir string, m *modeltest.Model) string {
			ok(t, m.WriteConfig(dir))
			write(t, `{}`, dir, "adapter_config.json")
			return "."
		}, convert.ErrAdapter, []string{"a LoRA adapter"}},
		{"LoRA adapter without its config", only(".", "adapter_model.safetensors"), convert.ErrAdapter, []string{"a LoRA adapter, not a model: merge it"}},
		{"LoRA adapter of torch", only(".", "adapter_model.bin", "README.md"), convert.ErrAdapter, []string{"a LoRA adapter, not a model: merge it"}},
		{"LoRA not merged", renamed(func(name string) string {
			name = "base_model.model." + strings.Replace(name, "q_proj.weight", "q_proj.base_layer.weight", 1)
			return strings.Replace(name, "k_proj.weight", "k_proj.lora_A.default.weight", 1)
		}), convert.ErrAdapter, []string{"not merged", "merge_and_unload"}},

		// 13: near a checkpoint
		{"Hub cache of two snapshots", func(t *testing.T, dir string, m *modeltest.Model) string {
			in("models--a--b/snapshots/"+revisionB, "")(t, dir, m)
			return in("models--a--b/snapshots/"+revisionA, "models--a--b")(t, dir, m)
		}, convert.ErrSeveral, []string{revisionA + ", " + revisionB, "name one of them"}},
		{"two models", func(t *testing.T, dir string, m *modeltest.Model) string {
			in("a", "")(t, dir, m)
			return in("b", ".")(t, dir, m)
		}, convert.ErrSeveral, []string{"a, b"}},
		{"blobs", func(t *testing.T, dir string, m *modeltest.Model) string {
			in("models--a--b/snapshots/"+revisionA, "")(t, dir, m)
			return only("models--a--b/blobs", "models--a--b/blobs/0123")(t, dir, m)
		}, convert.ErrNoConfig, []string{"give", "models--a--b"}},
		{"one shard of an incomplete set", func(t *testing.T, dir string, m *modeltest.Model) string {
			ok(t, m.WriteShards(dir, 3))
			ok(t, os.Remove(filepath.Join(dir, "model-00001-of-00003.safetensors")))
			return "model-00002-of-00003.safetensors"
		}, checkpoint.ErrShard, []string{"1 of 3 shards are not there: model-00001-of-00003.safetensors", "the others can stay"}},
		{"a device", func(t *testing.T, dir string, m *modeltest.Model) string {
			in("", ".")(t, dir, m)
			ok(t, os.Symlink(os.DevNull, filepath.Join(dir, "p.gguf")))
			return "p.gguf"
		}, checkpoint.ErrUnknown, []string{"p.gguf: it is not a regular file: give a checkpoint directory"}},
		{"nothing", only("absent"), os.ErrNotExist, []string{"no such file", "give a checkpoint directory"}},
		{"a name of the Hub", only("org/model"), os.ErrNotExist, []string{"no such file"}},
		{"another case", only("MODEL", "model"), os.ErrNotExist, []string{"there is", "model"}},
		{"an empty directory", func(t *testing.T, dir string, m *modeltest.Model) string { return "." }, convert.ErrNoConfig, []string{"the directory is empty"}},
		{"weights of Meta", only(".", "consolidated.00.pth", "params.json"), convert.ErrNoConfig, []string{"params.json is of weights as Meta", "-hf"}},
		{"a GGUF file in it", only(".", "model.gguf"), convert.ErrNoConfig, []string{"model.gguf is a GGUF file, which can be given itself"}},
		{"weights only", func(t *testing.T, dir string, m *modeltest.Model) string {
			ok(t, m.Write(dir))
			ok(t, os.Remove(filepath.Join(dir, "config.json")))
			return "."
		}, convert.ErrNoConfig, []string{"the weights are there: put config.json"}},
		{"config only", func(t *testing.T, dir string, m *modeltest.Model) string {
			ok(t, m.WriteConfig(dir))
			return "."
		}, checkpoint.ErrNoWeights, []string{"config.json is there, the weights are not"}},
		{"several files of weights", func(t *testing.T, dir string, m *modeltest.Model) string {
			ok(t, m.WriteConfig(dir))
			return only(".", "model.fp16.safetensors", "model.fp32.safetensors", "optimizer.pt")(t, dir, m)
		}, checkpoint.ErrNoWeights, []string{"several weight files, and no index says which of them belong together: model.fp16.safetensors, model.fp32.safetensors: " +
			"give the one that is the whole model"}},
		{"weights of Lightning", func(t *testing.T, dir string, m *modeltest.Model) string {
			ok(t, m.WriteConfig(dir))
			return only(".", "last.ckpt")(t, dir, m)
		}, checkpoint.ErrNoWeights, []string{"last.ckpt is a checkpoint of PyTorch Lightning or TensorFlow: give the file itself"}},
		{"weights for TensorFlow", func(t *testing.T, dir string, m *modeltest.Model) string {
			ok(t, m.WriteConfig(dir))
			return only(".", "tf_model.h5")(t, dir, m)
		}, checkpoint.ErrNoWeights, []string{"tf_model.h5 is weights of TensorFlow"}},

		// 15: not the file itself
		{"pointer config.json", config(lfsPointer), format.ErrPointer, []string{"config.json: a Git LFS pointer, not the file itself, which has 4974351472 bytes", "git lfs pull"}},
		{"pointer generation_config.json", with("generation_config.json", lfsPointer), format.ErrPointer, []string{"generation_config.json", "git lfs pull"}},
		{"pointer tokenizer.json", with("tokenizer.json", lfsPointer), format.ErrPointer, []string{"tokenizer.json", "git lfs pull"}},
		{"pointer tokenizer_config.json", with("tokenizer_config.json", lfsPointer), format.ErrPointer, []string{"tokenizer_config.json", "git lfs pull"}},
		{"pointer vocab.json", with("vocab.json", lfsPointer), format.ErrPointer, []string{"vocab.json", "git lfs pull"}},
		{"pointer merges.txt", with("merges.txt", lfsPointer), format.ErrPointer, []string{"merges.txt", "git lfs pull"}},
		{"pointer template", with("chat_template.jinja", lfsPointer), format.ErrPointer, []string{"chat_template.jinja", "git lfs pull"}},
		{"pointer further template", with("additional_chat_templates/x.jinja", lfsPointer), format.ErrPointer, []string{"x.jinja", "git lfs pull"}},
		{"template in Latin-1", with("chat_template.jinja", "caf\xe9"), plaintext.ErrNotText, []string{"chat_template.jinja: it is not a text: it holds bytes that are not UTF-8", "save it as UTF-8"}},
		{"template in UTF-16 without a mark", with("chat_template.jinja", "a\x00b\x00"), plaintext.ErrNotText, []string{"chat_template.jinja", "it holds zero bytes"}},
		{"further template in Latin-1", with("additional_chat_templates/x.jinja", "caf\xe9"), plaintext.ErrNotText, []string{"x.jinja: it is not a text"}},
		{"tokenizer.json in Latin-1", with("tokenizer.json", "{\"\xe9\": 1}"), plaintext.ErrNotText, []string{"tokenizer.json: it is not a text"}},
		{"pointer weights", weights(lfsPointer), format.ErrPointer, []string{"model.safetensors", "git lfs pull"}},
		{"pointer index", func(t *testing.T, dir string, m *modeltest.Model) string {
			ok(t, m.WriteShards(dir, 1))
			ok(t, os.Remove(filepath.Join(dir, "model-00001-of-00001.safetensors")))
			write(t, lfsPointer, dir, "model.safetensors.index.json")
			return "."
		}, format.ErrPointer, []string{"index.json", "git lfs pull"}},
		{"pointer shard", func(t *testing.T, dir string, m *modeltest.Model) string {
			ok(t, m.WriteShards(dir, 2))
			write(t, lfsPointer, dir, "model-00002-of-00002.safetensors")
			return "."
		}, format.ErrPointer, []string{"model-00002-of-00002.safetensors", "git lfs pull"}},
		{"Xet pointer", weights("# xet version 0\nfilesize = 7\nhash = 'ab'\n"), format.ErrXetPointer, []string{"model.safetensors: a Xet pointer, not the file itself, which has 7 bytes: download the file by itself"}},
		{"web page as config.json", config(webPage), checkpoint.ErrWebPage, []string{"config.json", "a web page", "sign in"}},
		{"web page as weights", weights(webPage), checkpoint.ErrWebPage, []string{"model.safetensors", "a web page", "sign in"}},
		{"error of a server as config.json", config(`{"error":"Repository not found"}`), checkpoint.ErrText, []string{"Repository not found", "access"}},
		{"text as config.json", config("Entry not found"), nil, []string{"config.json", "not valid JSON", `it begins with "Entry not found"`, "get this file once more"}},
		{"text as weights", weights("Access to model x is restricted"), checkpoint.ErrText, []string{`"Access to model x is restricted"`, "access"}},
		{"gzip weights", weights("\x1f\x8b\x08\x00"), checkpoint.ErrPacked, []string{"a gzip file", "unpack it"}},
		{"gzip config.json", config("\x1f\x8b\x08\x00"), checkpoint.ErrPacked, []string{"config.json", "a gzip file", "unpack it"}},
		{"zip weights", func(t *testing.T, dir string, m *modeltest.Model) string {
			data, err := ckpttest.EncodeZip("x", []ckpttest.Entry{{Name: "model.safetensors"}})
			ok(t, err)
			return weights(string(data))(t, dir, m)
		}, checkpoint.ErrPacked, []string{"without data.pkl", "unpack it"}},
		{"torch weights in a compressed zip file", func(t *testing.T, dir string, m *modeltest.Model) string {
			ok(t, m.WriteConfig(dir))
			write(t, zipped(t, "m/data.pkl"), dir, "pytorch_model.bin")
			return "."
		}, checkpoint.ErrRepacked, []string{
			`zip entry "data.pkl" is compressed or encrypted, as torch.save never writes it: unpack it, and pack it again without compression`}},
		{"empty weights", weights(""), checkpoint.ErrEmpty, []string{"the file is empty", "get this file once more"}},
		{"empty config.json", config(""), checkpoint.ErrEmpty, []string{"config.json", "the file is empty"}},
		{"cut config.json", config(`{"architectures":["SmallThinkerForCa`), nil, []string{"config.json", "it ends too early"}},
		{"cut weights", func(t *testing.T, dir string, m *modeltest.Model) string {
			in("", ".")(t, dir, m)
			ok(t, os.Truncate(filepath.Join(dir, "model.safetensors"), 200_000))
			return "."
		}, checkpoint.ErrTruncated, []string{"cut off", "go on with it"}},
		{"reserved space", weights(strings.Repeat("\x00", 4096)), checkpoint.ErrZeros, []string{"begins with zeros", "let its download finish"}},
		{"aria2 download", with("model.safetensors.aria2", "x"), checkpoint.ErrPartial, []string{"model.safetensors.aria2 lies beside it", "goes on where it was"}},
		{"a download that is not finished", func(t *testing.T, dir string, m *modeltest.Model) string {
			ok(t, m.WriteConfig(dir))
			write(t, "x", dir, ".cache/huggingface/download/abc.incomplete")
			return "."
		}, checkpoint.ErrPartial, []string{"abc.incomplete is a download that is not complete"}},
		{"a download of the Hub's cache", func(t *testing.T, dir string, m *modeltest.Model) string {
			snapshot := filepath.Join(dir, "models--a--b", "snapshots", revisionA)
			ok(t, os.MkdirAll(snapshot, 0o755))
			ok(t, m.WriteConfig(snapshot))
			write(t, "x", dir, "models--a--b/blobs/0123.incomplete")
			return "models--a--b"
		}, checkpoint.ErrPartial, []string{"0123.incomplete"}},
		{"a browser's download", func(t *testing.T, dir string, m *modeltest.Model) string {
			ok(t, m.WriteConfig(dir))
			write(t, "x", dir, "model.safetensors.crdownload")
			return "model.safetensors.crdownload"
		}, checkpoint.ErrPartial, []string{"not complete"}},
		{"a link to nothing", func(t *testing.T, dir string, m *modeltest.Model) string {
			in("", ".")(t, dir, m)
			ok(t, os.Remove(filepath.Join(dir, "config.json")))
			ok(t, os.Symlink("../blobs/1", filepath.Join(dir, "config.json")))
			return "."
		}, nil, []string{"config.json: a link to ../blobs/1, which does not exist", "the link"}},

		// weights and config that do not belong together
		{"another architecture's names", renamed(func(name string) string { return "transformer.h." + strings.ReplaceAll(name, "model.", "") + "x" }), convert.ErrMissing, []string{"another kind of model"}},
		{"fewer layers", func(t *testing.T, dir string, m *modeltest.Model) string {
			m.Tensors = slices.DeleteFunc(m.Tensors, func(x ckpttest.Tensor) bool { return strings.HasPrefix(x.Name, "model.layers.1.") })
			return in("", ".")(t, dir, m)
		}, convert.ErrMissing, []string{"config.json says 2 layers, the weights have 1"}},
		{"a tensor too many", func(t *testing.T, dir string, m *modeltest.Model) string {
			m.Tensors = append(m.Tensors, ckpttest.Tensor{Name: "model.extra", DType: "F32", Data: []float32{1}})
			return in("", ".")(t, dir, m)
		}, convert.ErrUnknownTensor, []string{"model.extra", "different models or versions"}},
		{"a tensor too many, of whole numbers", func(t *testing.T, dir string, m *modeltest.Model) string {
			m.Tensors = append(m.Tensors, ckpttest.Tensor{Name: "model.position_ids", DType: "I64", Shape: []int{2}, Data: []float32{0, 1}})
			return in("", ".")(t, dir, m)
		}, convert.ErrUnknownTensor, []string{"tensor model.position_ids [2] is unknown", "different models or versions"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, out := t.TempDir(), t.TempDir()
			src := tt.layOut(t, dir, small())
			_, err := convert.Run(t.Context(), filepath.Join(dir, src), filepath.Join(out, "m.stm"), convert.Options{})
			if err == nil {
				t.Fatal("it was converted")
			}
			var d *convert.Diagnosis
			if !errors.As(err, &d) || tt.kind != nil && !errors.Is(err, tt.kind) {
				t.Errorf("%v (%T) is not %v", err, err, tt.kind)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
			if strings.ContainsAny(err.Error(), "\n\r") || strings.Contains(err.Error(), "download the checkpoint") {
				t.Errorf("error %q", err)
			}
			mustBeEmpty(t, out)
			t.Log(strings.ReplaceAll(err.Error(), dir, "DIR"))
		})
	}
}
