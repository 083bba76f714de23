package convert

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"st/convert/checkpoint"
	"st/format"
	"st/tokenizer"
)

// source is a checkpoint: its weights and the small files beside them. A file that is not there is nil.
type source struct {
	dir     string
	weights *checkpoint.Checkpoint
	small   []string // paths of the small files that were read

	config, generation, tokenizer, tokenizerConfig, template, templateJSON []byte

	additionalTemplates []tokenizer.NamedTemplate
}

// openSource opens a checkpoint directory, or a weights file beside its config.json.
func openSource(path string) (*source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, cause(err))
	}
	if !info.IsDir() && strings.EqualFold(filepath.Ext(path), ".stm") {
		return nil, fmt.Errorf("%s %w", path, ErrIsModel)
	}
	s := &source{dir: path}
	if !info.IsDir() {
		s.dir = filepath.Dir(path)
	}
	for _, f := range []struct {
		name string
		to   *[]byte
	}{
		{"config.json", &s.config},
		{"generation_config.json", &s.generation},
		{"tokenizer.json", &s.tokenizer},
		{"tokenizer_config.json", &s.tokenizerConfig},
		{"chat_template.jinja", &s.template},
		{"chat_template.json", &s.templateJSON},
	} {
		name := filepath.Join(s.dir, f.name)
		text, err := readFile(name)
		switch {
		case err == nil:
			*f.to = text
			s.small = append(s.small, name)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("read %s: %w", name, cause(err))
		}
	}
	if err := s.readAdditionalTemplates(); err != nil {
		return nil, err
	}
	if s.config == nil {
		return nil, fmt.Errorf("%s: %w: a checkpoint is a directory as downloaded from Hugging Face", s.dir, ErrNoConfig)
	}
	if s.weights, err = checkpoint.Open(path); err != nil {
		return nil, err
	}
	return s, nil
}

// readFile reads a regular file: to open a pipe would wait for somebody to write to it.
func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	return os.ReadFile(name)
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
func (s *source) files() []string { return slices.Concat(s.small, s.weights.Files()) }

// meta reads the small files.
func (s *source) meta() (*format.Meta, []string, error) {
	path := filepath.Join(s.dir, "config.json")
	m := &format.Meta{}
	var err error
	if m.Config, err = ParseConfig(s.config); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	if m.Generation, err = parseGeneration(s.config, s.generation); err != nil {
		return nil, nil, fmt.Errorf("%s%c%w", s.dir, filepath.Separator, err) // the error begins with the file's name
	}
	var notes []string
	if s.tokenizer == nil {
		notes = append(notes, "the checkpoint has no tokenizer.json: the model runs on token ids only")
	} else {
		t, err := tokenizer.ParseHF(s.tokenizer, s.tokenizerConfig)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", filepath.Join(s.dir, "tokenizer.json"), err)
		}
		if m.Tokenizer, err = t.MarshalBinary(); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", filepath.Join(s.dir, "tokenizer.json"), err)
		}
		if t.VocabSize() > m.Config.Vocab {
			notes = append(notes, fmt.Sprintf("tokenizer.json has %d tokens, the model only %d: text with the others cannot be run",
				t.VocabSize(), m.Config.Vocab))
		}
	}
	text, more, err := s.chatTemplate()
	if err != nil {
		return nil, nil, err
	}
	m.ChatTemplate = text
	return m, append(notes, more...), nil
}

// settleHead decides where the language-model head is. A checkpoint of tied embeddings may hold lm_head.weight all the
// same: torch files repeat the embedding matrix under that name. If it differs it is a head of its own.
func (s *source) settleHead(m *format.Meta, notes *[]string) error {
	a, err := architectureOf(&m.Config)
	if err != nil {
		return err
	}
	headName, embedName := a.tensorName(key{format.RoleHead, -1, -1}), a.tensorName(key{format.RoleEmbedding, -1, -1})
	head, ok := s.weights.Lookup(headName)
	if !ok || !m.Config.TiedEmbeddings {
		return nil
	}
	embed, ok := s.weights.Lookup(embedName)
	if !ok {
		return nil // the plan says that it is missing
	}
	same, err := equalTensors(head, embed)
	if err != nil {
		return err
	}
	if same {
		*notes = append(*notes, headName+" repeats "+embedName+": stored once, as tied embeddings")
		return nil
	}
	m.Config.TiedEmbeddings = false
	*notes = append(*notes, headName+" differs from "+embedName+": used as the head, although config.json says tied")
	return nil
}

func equalTensors(a, b *checkpoint.Tensor) (bool, error) {
	if a.DType != b.DType || !slices.Equal(a.Shape, b.Shape) {
		return false, nil
	}
	n := max(1, min(a.Rows(), (1<<20)/max(1, a.Cols())))
	x, y := make([]float32, n*a.Cols()), make([]float32, n*a.Cols())
	for r := 0; r < a.Rows(); r += n {
		rows := min(n, a.Rows()-r)
		x, y := x[:rows*a.Cols()], y[:rows*a.Cols()]
		if err := a.ReadRows(x, r, rows); err != nil {
			return false, err
		}
		if err := b.ReadRows(y, r, rows); err != nil {
			return false, err
		}
		if !slices.Equal(x, y) {
			return false, nil
		}
	}
	return true, nil
}
