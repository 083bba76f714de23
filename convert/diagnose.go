package convert

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"st/convert/checkpoint"
	"st/convert/gguf"
	"st/format"
	"st/format/plaintext"
	"st/tokenizer/hffile"
)

// Diagnosis is an error with what was found by looking at the source, and what to do.
type Diagnosis struct {
	Err    error  // what failed
	Kind   error  // what it turned out to be; nil: Err says it
	What   string // what is there, in place of Err's words; "": Err's words
	Advice string // what to do; "" if there is nothing to say
}

func (d *Diagnosis) Error() string {
	what := d.What
	if what == "" {
		what = d.Err.Error()
	}
	if d.Advice == "" {
		return what
	}
	return what + ": " + d.Advice
}

func (d *Diagnosis) Unwrap() []error {
	if d.Kind == nil {
		return []error{d.Err}
	}
	return []error{d.Kind, d.Err}
}

// advices say what to do about errors whose cause is known when they occur. All advice is here and below, none in the errors.
var advices = []struct {
	kind   error
	advice string
}{
	{ErrSeveral, "name one of them"},
	{format.ErrPointer, "`git lfs pull` in its repository fetches the file; or download the file by itself"},
	{format.ErrXetPointer, "download the file by itself, from its page or with `hf download`"},
	{checkpoint.ErrWebPage, "a download got a page in place of the file: sign in, or accept the model's terms, and get this file once more"},
	{checkpoint.ErrText, "a server's answer took the place of the file: check the address and your access to it, and get this file once more"},
	{checkpoint.ErrEmpty, "get this file once more"},
	{checkpoint.ErrPacked, "unpack it first"},
	{checkpoint.ErrZeros, "let its download finish, or get this file once more"},
	{checkpoint.ErrPartial, "let the download finish: the program that began it goes on where it was"},
	{checkpoint.ErrTruncated, "its download or copy did not finish: go on with it; the other files can stay"},
	{checkpoint.ErrOldTorch, `save it again with a current torch: torch.save(torch.load(path, map_location="cpu"), path)`},
	{checkpoint.ErrRepacked, "unpack it, and pack it again without compression: `zip -0 -r`"},
	{checkpoint.ErrTorch, `save the model's weights alone: torch.save(model.state_dict(), "pytorch_model.bin"), or model.save_pretrained(dir)`},
	{checkpoint.ErrIndex, "the index and the shards are of different versions: get them from one revision"},
	{checkpoint.ErrMalformed, "compare the file's size and SHA-256 with those that its source shows; if they differ, get this file once more"},
	{checkpoint.ErrTooMany, "the file is damaged, or config.json belongs to another model"},
	{checkpoint.ErrDType, "save the model in another type: model.to(torch.bfloat16).save_pretrained(dir)"},
	{checkpoint.ErrUnknown, "give a checkpoint directory, a .safetensors file, a torch .bin file or a .gguf file"},
	{plaintext.ErrNotText, "save it as UTF-8, or get this file once more"},
	{errLink, "the file that the link leads to was removed: download it, or copy the files instead of the links"},
	{ErrScale, "get all files of the checkpoint from one revision"},
	{gguf.ErrType, "get the model in another type, such as Q4_0 or Q8_0"},
}

// Advice returns what to do about an error of this package or of package checkpoint; "" if there is nothing to say without looking at
// the source, as [Diagnose] does.
func Advice(err error) string {
	var d *Diagnosis
	if errors.As(err, &d) {
		return ""
	}
	for _, a := range advices {
		if errors.Is(err, a.kind) {
			return a.advice
		}
	}
	return ""
}

// saveTokenizer says how to get a tokenizer.json.
const saveTokenizer = "; AutoTokenizer.from_pretrained(dir).save_pretrained(dir) of Transformers writes tokenizer.json"

// otherTokenizer says what a checkpoint without tokenizer.json has in its place.
func (s *source) otherTokenizer() string {
	for _, name := range []string{"tokenizer.model", "qwen.tiktoken", "tiktoken.model", "vocab.json", "merges.txt"} {
		if _, err := s.place.Stat(filepath.Join(s.dir, name)); err == nil {
			return ", and " + name + " alone is not read" + saveTokenizer
		}
	}
	return ""
}

// Diagnose looks at the source at path, which failed with err, and returns an error that says what it is and what to do: a [Diagnosis],
// which wraps err. An error that is not about the source is returned as it is.
func Diagnose(path string, err error) error {
	var known *Diagnosis
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, fs.ErrNotExist) && !exists(path):
		return &Diagnosis{Err: err, Advice: notThere(path)}
	}
	if !isGGUF(path) { // which is alone
		p := look(path)
		if d := firstDiagnosis(err, p.adapter, p.quantized, p.unfinished, p.place, p.config, p.misfit); d != nil {
			return d
		}
	} else if d := misfitGGUF(err); d != nil {
		return d
	}
	return advised(err)
}

// diagnose is Diagnose for a source wherever its files are. in is nil if it could not be opened.
func diagnose(files checkpoint.Files, path string, in input, err error) error {
	if known := (*Diagnosis)(nil); errors.As(err, &known) {
		return err
	}
	switch in := in.(type) {
	case nil:
		p := &place{path: path, dir: path}
		p.read(files)
		if d := firstDiagnosis(err, p.place, p.config); d != nil {
			return d
		}
	case *source:
		p := &place{path: in.dir, dir: in.dir, text: in.config, method: parseQuantization(in.config), tensors: in.weights.Tensors()}
		if d := firstDiagnosis(err, p.adapter, p.quantized, p.misfit); d != nil {
			return d
		}
	case *ggufSource:
		if d := misfitGGUF(err); d != nil {
			return d
		}
	}
	return advised(err)
}

// firstDiagnosis returns what the first of some finds that finds anything; nil if none does.
func firstDiagnosis(err error, tries ...func(error) *Diagnosis) *Diagnosis {
	for _, try := range tries {
		if d := try(err); d != nil {
			return d
		}
	}
	return nil
}

// misfitGGUF: a GGUF file is sound, and its tensors are not those that its metadata describes.
func misfitGGUF(err error) *Diagnosis {
	if !isAny(err, ErrMissing, ErrUnknownTensor, ErrShape) {
		return nil
	}
	return &Diagnosis{Err: err, Advice: "the file is of another kind of model than it says, or incomplete: get another GGUF file of the model, or its checkpoint"}
}

// advised adds the advice that there is for an error whatever the source.
func advised(err error) error {
	if advice := Advice(err); advice != "" {
		return &Diagnosis{Err: err, Advice: advice}
	}
	return err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// hubID is how a model is called on the Hub.
var hubID = regexp.MustCompile(`^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$`)

// notThere advises about a path at which nothing is.
func notThere(path string) string {
	dir, base := filepath.Dir(path), filepath.Base(path)
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if strings.EqualFold(e.Name(), base) {
			return fmt.Sprintf("there is %s", filepath.Join(dir, e.Name()))
		}
	}
	if err != nil && hubID.MatchString(path) {
		return fmt.Sprintf("if it is a model of the Hugging Face Hub, hf://%s names it", path)
	}
	return "give a checkpoint directory, a weight file or a .gguf file"
}

// place is what is at a path.
type place struct {
	path, dir string
	names     []string // in dir
	text      []byte   // config.json, as strict JSON; nil: none
	method    quantization
	tensors   []*checkpoint.Tensor // nil: the weights do not open
}

func look(path string) *place {
	p := &place{path: path, dir: path}
	found := path
	if f, _, err := Locate(path); err == nil {
		found = f
	}
	p.dir = found
	if !isDir(found) {
		p.dir = filepath.Dir(found)
	}
	p.read(checkpoint.Disk)
	if c, err := checkpoint.Open(found); err == nil {
		p.tensors = c.Tensors()
		c.Close()
	}
	return p
}

// read looks at the names and at config.json in the directory.
func (p *place) read(files checkpoint.Files) {
	entries, _ := files.ReadDir(p.dir)
	for _, e := range entries {
		p.names = append(p.names, e.Name())
	}
	if text, err := readSmall(files, filepath.Join(p.dir, "config.json")); err == nil {
		if p.text, err = hffile.StrictJSON(text); err == nil {
			p.method = parseQuantization(p.text)
		}
	}
}

// isAny reports whether an error is one of some kinds.
func isAny(err error, kinds ...error) bool {
	return slices.ContainsFunc(kinds, func(k error) bool { return errors.Is(err, k) })
}

// adapter: a LoRA adapter is a few small matrices for a model that is elsewhere.
func (p *place) adapter(err error) *Diagnosis {
	if !isAny(err, ErrNoConfig, checkpoint.ErrNoWeights, ErrMissing, ErrUnknownTensor, ErrShape, ErrArchitecture) {
		return nil
	}
	lora := slices.IndexFunc(p.tensors, func(t *checkpoint.Tensor) bool { return strings.Contains(t.Name, "lora_") })
	config := slices.Contains(p.names, "adapter_config.json")
	if lora < 0 && !slices.ContainsFunc(p.names, func(n string) bool { return n == "adapter_config.json" || strings.HasPrefix(n, "adapter_model.") }) {
		return nil
	}
	const merge = "merge it into the model and save that: PeftModel.from_pretrained(model, dir).merge_and_unload().save_pretrained(merged), then convert merged"
	if lora >= 0 && slices.ContainsFunc(p.tensors, func(t *checkpoint.Tensor) bool { return strings.Contains(t.Name, ".base_layer.") }) {
		return &Diagnosis{Err: err, Kind: ErrAdapter, Advice: merge,
			What: fmt.Sprintf("%s: a model with a LoRA adapter that is not merged (tensor %s)", p.dir, p.tensors[lora].Name)}
	}
	d := &Diagnosis{Err: err, Kind: ErrAdapter, What: fmt.Sprintf("%s: %v", p.dir, ErrAdapter), Advice: merge}
	if lora >= 0 {
		d.What += fmt.Sprintf(" (tensor %s)", p.tensors[lora].Name)
	}
	if config { // which names the model that it is for
		var fields struct {
			Base string `json:"base_model_name_or_path"`
		}
		if text, err := readSmall(checkpoint.Disk, filepath.Join(p.dir, "adapter_config.json")); err == nil && json.Unmarshal(text, &fields) == nil && fields.Base != "" {
			d.What += fmt.Sprintf("; its model is %q", fields.Base)
		}
	}
	return d
}

// quantized: weights that another program has quantized, in a way of its own.
func (p *place) quantized(err error) *Diagnosis {
	if !isAny(err, ErrMissing, ErrUnknownTensor, ErrShape, ErrScale, checkpoint.ErrDType, checkpoint.ErrTorch, checkpoint.ErrTooMany, checkpoint.ErrMalformed) {
		return nil
	}
	method, example := quantizedBy(p.tensors)
	if example == nil && (p.method.Method == "" || p.tensors != nil) {
		return nil // weights that are whole do not become quantized by what config.json says
	}
	if errors.Is(err, checkpoint.ErrMalformed) && p.method.Method == "" {
		return nil
	}
	shown := ""
	if p.method.Method != "" {
		method = p.method.String()
		shown = "quantization_config in config.json"
	}
	if example != nil {
		shown = strings.TrimPrefix(shown+fmt.Sprintf(", tensor %s", example.Name), ", ")
	}
	if errors.Is(err, ErrScale) {
		return nil // it says more
	}
	return &Diagnosis{Err: err, Kind: ErrQuantized,
		What:   fmt.Sprintf("%s: %v, by %s (%s)", p.dir, ErrQuantized, method, shown),
		Advice: "convert the checkpoint that they were made from, in BF16, F16 or F32, or a GGUF file of the model",
	}
}

// unfinished: a download is under way, or was given up.
func (p *place) unfinished(err error) *Diagnosis {
	if checkpoint.IsPartial(p.path) {
		return &Diagnosis{Err: err, Kind: checkpoint.ErrPartial, Advice: Advice(checkpoint.ErrPartial),
			What: fmt.Sprintf("%s: a download that is not complete, by its name", p.path)}
	}
	if !isAny(err, checkpoint.ErrNoWeights, checkpoint.ErrShard, checkpoint.ErrTruncated, checkpoint.ErrZeros, ErrNoConfig, fs.ErrNotExist, errLink) {
		return nil
	}
	places := []string{"*", ".cache/huggingface/download/*", "../../blobs/*", "._____temp/*"}
	for _, pattern := range places {
		found, _ := filepath.Glob(filepath.Join(p.dir, filepath.FromSlash(pattern)))
		for _, path := range found {
			if checkpoint.IsPartial(path) {
				return &Diagnosis{Err: err, Kind: checkpoint.ErrPartial, What: fmt.Sprintf("%v; %s is a download that is not complete", err, path), Advice: Advice(checkpoint.ErrPartial)}
			}
		}
	}
	if errors.Is(err, checkpoint.ErrShard) {
		return &Diagnosis{Err: err, Advice: "get these files from where the others came from; the others can stay"}
	}
	return nil
}

// other are files of models that are not checkpoints, by how their names end.
var other = []struct{ suffix, what string }{
	{".gguf", "a GGUF file, which can be given itself"},
	{".stm", "an .stm file, which is a converted model"},
	{"model_index.json", "a model of Diffusers, for images"},
	{"params.json", "of weights as Meta or Mistral publish them: take the repository for Transformers, whose name often ends in -hf"},
	{"consolidated.safetensors", "weights as Mistral publishes them: take the ones for Transformers"},
	{"consolidated.00.pth", "weights as Meta publishes them: take the repository for Transformers, whose name often ends in -hf"},
	{".h5", "weights of TensorFlow: save them with torch"},
	{".msgpack", "weights of Flax: save them with torch"},
	{".onnx", "a model for ONNX: take the checkpoint that it was made from"},
	{".npz", "weights of MLX: take the checkpoint that they were made from"},
	{".nemo", "a model of NeMo: export it for Transformers"},
	{".tflite", "a model for TensorFlow Lite: take the checkpoint that it was made from"},
	{".ckpt", "a checkpoint of PyTorch Lightning or TensorFlow: give the file itself, if torch wrote it"},
	{".distcp", "a checkpoint of torch.distributed: save the model with save_pretrained"},
	{"latest", "a checkpoint of DeepSpeed: its zero_to_fp32.py writes a model"},
	{".zip", "an archive: unpack it first"},
	{".tar", "an archive: unpack it first"},
	{".tar.gz", "an archive: unpack it first"},
	{".tgz", "an archive: unpack it first"},
}

// place: the directory lacks what a checkpoint has; what is there tells what it is.
func (p *place) place(err error) *Diagnosis {
	if !isAny(err, ErrNoConfig, checkpoint.ErrNoWeights) {
		return nil
	}
	if filepath.Base(p.dir) == "blobs" {
		return &Diagnosis{Err: err, Advice: fmt.Sprintf("this is where the Hub's cache keeps files without their names: give %s", filepath.Dir(absolute(p.dir)))}
	}
	for _, o := range other {
		for _, name := range p.names {
			if strings.HasSuffix(strings.ToLower(name), o.suffix) {
				return &Diagnosis{Err: err, Advice: fmt.Sprintf("%s is %s", filepath.Join(p.dir, name), o.what)}
			}
		}
	}
	var below []string
	for _, name := range p.names {
		if sub := filepath.Join(p.dir, name); isDir(sub) && holdsCheckpoint(sub) {
			below = append(below, sub)
		}
	}
	switch {
	case len(below) > 0:
		return &Diagnosis{Err: err, Advice: fmt.Sprintf("there are weights or a config.json in %s", strings.Join(below[:min(4, len(below))], ", "))}
	case len(p.names) == 0:
		return &Diagnosis{Err: err, Advice: "the directory is empty"}
	case errors.Is(err, ErrNoConfig) && p.tensors != nil:
		return &Diagnosis{Err: err, Advice: "the weights are there: put config.json of the same model beside them"}
	case errors.Is(err, checkpoint.ErrLoose):
		return &Diagnosis{Err: err, Advice: "give the one that is the whole model, or get the index beside them"}
	case errors.Is(err, checkpoint.ErrNoWeights) && p.text != nil:
		return &Diagnosis{Err: err, Advice: "config.json is there, the weights are not: get the model's .safetensors files into the same directory"}
	}
	return &Diagnosis{Err: err, Advice: "a checkpoint is a directory with config.json and weights, as downloaded from the Hugging Face Hub"}
}

// config: config.json is not what it should be.
func (p *place) config(err error) *Diagnosis {
	if errors.Is(err, hffile.ErrNotJSON) {
		return &Diagnosis{Err: err, Advice: "mend it by hand if it was edited, or get this file once more"}
	}
	if !errors.Is(err, ErrArchitecture) || p.text == nil {
		return nil
	}
	var fields struct {
		Error         json.RawMessage `json:"error"`
		Architectures []string        `json:"architectures"`
		ModelType     string          `json:"model_type"`
		Text          *struct {
			ModelType string `json:"model_type"`
		} `json:"text_config"`
	}
	_ = json.Unmarshal(p.text, &fields)
	path := filepath.Join(p.dir, "config.json")
	switch {
	case len(fields.Architectures) == 0 && fields.ModelType == "" && fields.Error != nil:
		return &Diagnosis{Err: err, Kind: checkpoint.ErrText, Advice: Advice(checkpoint.ErrText),
			What: fmt.Sprintf("%s: an error of a server in place of the file: %.120s", path, fields.Error)}
	case len(fields.Architectures) == 0 && fields.ModelType == "":
		return &Diagnosis{Err: err, What: fmt.Sprintf("%s: it has neither architectures nor model_type", path), Advice: "it is not the config.json of a model for Transformers"}
	}
	return nil
}

// misfit: the weights are sound, and not those that config.json describes.
func (p *place) misfit(err error) *Diagnosis {
	if !isAny(err, ErrMissing, ErrUnknownTensor, ErrShape) || p.tensors == nil {
		return nil
	}
	model, e := ParseConfig(p.text)
	if e != nil {
		return nil
	}
	a, e := architectureOf(&model)
	if e != nil {
		return nil
	}
	names, _ := rename(p.tensors, a, &model)
	there, layers := 0, 0
	dense, _ := a.keys(&model)
	want := 0
	for _, k := range dense {
		if k.role == format.RoleHead && model.TiedEmbeddings {
			continue
		}
		want++
		if has(a, names, k) {
			there++
			layers = max(layers, k.layer+1)
		}
	}
	advice := "config.json and the weights are of different models or versions: get config.json and the weights from one place"
	switch {
	case there == 0:
		advice = fmt.Sprintf("none of the names that %s has are there, but such as %q: these are weights of another kind of model, or named by another program",
			a.class, p.tensors[0].Name)
	case layers < model.Layers:
		advice = fmt.Sprintf("config.json says %d layers, the weights have %d: files of the set are not there, or config.json is another model's",
			model.Layers, layers)
	case there < want:
		advice = fmt.Sprintf("the weights have %d of the %d tensors beside experts that config.json asks for: they are not complete, or config.json is another model's",
			there, want)
	}
	return &Diagnosis{Err: err, Advice: advice}
}

// isGGUF reports whether a file begins as GGUF files do.
func isGGUF(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	first := make([]byte, 4)
	n, _ := f.Read(first)
	return bytes.Equal(first[:n], []byte("GGUF"))
}
