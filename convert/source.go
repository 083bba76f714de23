package convert

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"st/convert/checkpoint"
	"st/format"
	"st/format/plaintext"
	"st/tokenizer"
	"st/tokenizer/hffile"
)

// source is a checkpoint: its weights and the small files beside them. A file that is not there is nil.
type source struct {
	place   checkpoint.Files
	dir     string
	weights *checkpoint.Checkpoint
	// predictor of the head; nil: there is none, or it is left out
	predictor *checkpoint.Checkpoint
	model     format.Config
	small     []string // paths of the small files that were read
	notes     []string

	config, generation, template, templateJSON []byte

	tokens tokenizer.Files

	same sameFunc

	additionalTemplates []tokenizer.NamedTemplate
}

// openSource opens a checkpoint directory, a weights file beside its config.json, or what leads to one.
func openSource(path string, opts *Options) (*source, error) {
	found, notes, err := Locate(path)
	if err != nil {
		return nil, err
	}
	return openSourceFrom(checkpoint.Disk, found, notes, opts)
}

// openSourceFrom opens a checkpoint directory, or a weights file beside its config.json.
func openSourceFrom(files checkpoint.Files, path string, notes []string, opts *Options) (*source, error) {
	s := &source{place: files, dir: path, notes: notes, same: equalTensors}
	if info, err := files.Stat(path); err != nil || !info.IsDir() {
		s.dir = filepath.Dir(path)
	}
	err := s.readSmall()
	if err != nil {
		return nil, err
	}
	if s.config == nil {
		return nil, fmt.Errorf("%s: %w", s.dir, ErrNoConfig)
	}
	if s.model, err = ParseConfig(s.config); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(s.dir, "config.json"), err)
	}
	if s.weights, err = checkpoint.OpenFrom(files, path, tensorLimit(&s.model)); err != nil {
		return nil, err
	}
	s.notes = append(s.notes, s.weights.Notes()...)
	if !opts.NoHeadPredictor {
		if err := s.openPredictor(); err != nil {
			s.weights.Close()
			return nil, err
		}
	}
	return s, nil
}

// smallFile is a file that is not weights.
type smallFile struct {
	name string
	to   *[]byte
	json bool // as Python reads it
}

// readSmall reads all files that are not weights.
func (s *source) readSmall() error {
	err := s.readFiles(slices.Concat(
		[]smallFile{{"config.json", &s.config, true}, {"generation_config.json", &s.generation, true}},
		s.tokenizerFiles("tokenizer.json"),
		[]smallFile{{"chat_template.jinja", &s.template, false}, {"chat_template.json", &s.templateJSON, true}},
	))
	if err != nil {
		return err
	}
	s.tokens.Config = s.config
	return s.readAdditionalTemplates()
}

// readFiles reads those files that are there.
func (s *source) readFiles(files []smallFile) error {
	for _, f := range files {
		if s.tokens.Tokenizer != nil && slices.Contains([]string{"vocab.json", "merges.txt"}, f.name) {
			continue // tokenizer.json has what they say
		}
		path := filepath.Join(s.dir, f.name)
		text, err := readSmall(s.place, path)
		if errors.Is(err, fs.ErrNotExist) || slices.Contains([]string{specialTokensMap, addedTokens}, f.name) && errors.Is(err, checkpoint.ErrEmpty) {
			continue
		}
		if err == nil && f.json {
			if text, err = hffile.StrictJSON(text); err != nil {
				err = fmt.Errorf("%s: %w", path, err)
			}
		} else if err != nil {
			err = readError(path, err)
		}
		if err != nil {
			return err
		}
		*f.to = text
		s.small = append(s.small, path)
	}
	return nil
}

// readError is about a small file that cannot be read. Those of package checkpoint name it already.
func readError(path string, err error) error {
	var known *checkpoint.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, plaintext.ErrNotText):
		return fmt.Errorf("%s: %w", path, err)
	}
	return fmt.Errorf("read %s: %w", path, cause(err))
}

// tensorLimit returns how many tensors a checkpoint may have: of each of the model's the seven parts that bitsandbytes makes of one, so
// that these are told for what they are, and some that are not used.
func tensorLimit(c *format.Config) int {
	const perLayer = 16
	n := int64(c.Layers) * perLayer
	if a, err := architectureOf(c); err == nil && a.around[0] != "" {
		n = int64(c.Layers)*2*perLayer + 2000 // with the modules of the model around it
	}
	if c.MoE != nil {
		n += int64(c.Layers) * int64(c.MoE.Experts) * 3
	}
	return int(min(8*n+1000, checkpoint.MaxTensors))
}

// cause drops the operation and path of a *PathError: the error around it names the file.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// files returns the paths of everything that the model is made from.
func (s *source) files() []string      { return slices.Concat(s.small, s.weightFiles()) }
func (s *source) smallFiles() []string { return s.small }

func (s *source) weightFiles() []string {
	all := s.weights.Files()
	if s.predictor != nil {
		all = append(all, s.predictor.Files()...)
	}
	return all
}

// meta reads the small files.
func (s *source) meta() (*format.Meta, []string, error) {
	m := &format.Meta{Config: s.model}
	generation, err := parseGeneration(s.config, s.generation)
	if err != nil {
		return nil, nil, fmt.Errorf("%s%c%w", s.dir, filepath.Separator, err) // the error begins with the file's name
	}
	notes := slices.Concat(s.notes, generation.notes)
	t, more, err := s.parseTokenizer()
	if err != nil {
		return nil, nil, err
	}
	notes = append(notes, more...)
	if t != nil {
		if m.Tokenizer, err = t.MarshalBinary(); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", s.dir, err)
		}
		if t.VocabSize() > m.Config.Vocab {
			notes = append(notes, fmt.Sprintf("the tokenizer has %d tokens, the model only %d: text with the others cannot be run",
				t.VocabSize(), m.Config.Vocab))
		}
	}
	if m.ChatTemplate, more, err = s.chatTemplate(); err != nil {
		return nil, nil, err
	}
	m.Generation = generation.Generation
	m.Generation.EOS = generation.ends(t, m.ChatTemplate)
	return m, append(notes, more...), nil
}

// settleHead decides where the language-model head is. A checkpoint of tied embeddings may hold lm_head.weight all the
// same: torch files repeat the embedding matrix under that name. If it differs it is a head of its own.
func settleHead(w *checkpointWeights, m *format.Meta, notes *[]string, equal sameFunc) error {
	headKey, embedKey := key{format.RoleHead, -1, -1}, key{format.RoleEmbedding, -1, -1}
	if !m.Config.TiedEmbeddings {
		return nil
	}
	head, ok := w.lookup(headKey)
	if !ok {
		return nil
	}
	embed, ok := w.lookup(embedKey)
	if !ok {
		return nil // the plan says that it is missing
	}
	same, err := equal(head, embed)
	if err != nil {
		return err
	}
	if same {
		*notes = append(*notes, head.Name()+" repeats "+embed.Name()+": stored once, as tied embeddings")
		return nil
	}
	m.Config.TiedEmbeddings = false
	*notes = append(*notes, head.Name()+" differs from "+embed.Name()+": used as the head, although config.json says tied")
	return nil
}

func (s *source) close() error {
	err := s.weights.Close()
	if s.predictor != nil {
		err = errors.Join(err, s.predictor.Close())
	}
	return err
}

func (s *source) read() (*material, error) {
	meta, notes, err := s.meta()
	if err != nil {
		return nil, err
	}
	m := &material{meta: *meta}
	weights, more, err := s.tensors(&m.meta.Config)
	if err != nil {
		return nil, err
	}
	m.weights, m.notes = weights, append(notes, more...)
	if err := s.takePredictor(weights, &m.meta.Config); err != nil {
		return nil, err
	}
	return m, settleHead(weights, &m.meta, &m.notes, s.same)
}

// sameFunc tells whether two tensors are worth the same.
type sameFunc func(a, b tensor) (bool, error)

// equalTensors compares what two tensors are worth, whatever they are stored in.
func equalTensors(a, b tensor) (bool, error) {
	if !slices.Equal(a.Shape(), b.Shape()) {
		return false, nil
	}
	n := max(1, min(a.Rows(), (1<<20)/max(1, a.Cols())))
	x, y := make([]float32, n*a.Cols()), make([]float32, n*a.Cols())
	var buf readBuffer
	for r := 0; r < a.Rows(); r += n {
		rows := min(n, a.Rows()-r)
		x, y := x[:rows*a.Cols()], y[:rows*a.Cols()]
		if err := a.Read(x, r, rows, &buf); err != nil {
			return false, err
		}
		if err := b.Read(y, r, rows, &buf); err != nil {
			return false, err
		}
		if !slices.Equal(x, y) {
			return false, nil
		}
	}
	return true, nil
}
