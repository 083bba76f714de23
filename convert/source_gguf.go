package convert

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"st/convert/gguf"
	"st/format"
	"st/tokenizer"
)

// promisesGGUF reports whether a path leads to a GGUF file: it begins as one, or is called so.
func promisesGGUF(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && (isGGUF(path) || strings.EqualFold(filepath.Ext(path), ".gguf"))
}

// ggufSource is a model in a GGUF file, or in a set of them.
type ggufSource struct {
	file        *gguf.File
	same        sameFunc
	noPredictor bool // that of the head is left out
}

func openGGUF(path string, opts *Options) (*ggufSource, error) {
	f, err := gguf.Open(path)
	return &ggufSource{f, equalTensors, opts.NoHeadPredictor}, err
}

func (s *ggufSource) files() []string       { return s.file.Paths() }
func (s *ggufSource) smallFiles() []string  { return nil }
func (s *ggufSource) weightFiles() []string { return s.file.Paths() }
func (s *ggufSource) close() error          { return s.file.Close() }

func (s *ggufSource) read() (*material, error) {
	model, err := s.file.Model()
	if err != nil {
		return nil, err
	}
	if err := checkGGUF(s.file, model); err != nil {
		return nil, err
	}
	m := &material{meta: format.Meta{Config: model.Config}, notes: model.Notes, general: general(s.file), weights: newGGUFWeights(s.file, model)}
	if others := slices.DeleteFunc(slices.Clone(s.file.Tensors), func(t *gguf.Tensor) bool { return gguf.OfText(model.Config.Architecture, t.Name) }); len(others) > 0 {
		m.note("only the text part of the model is converted: %d tensors, such as %s, left out", len(others), others[0].Name)
	}
	if err := s.settleHead(m); err != nil {
		return nil, err
	}
	if err := s.sampling(m); err != nil {
		return nil, err
	}
	if err := s.takePredictor(m); err != nil {
		return nil, err
	}
	return m, s.text(m)
}

func (m *material) note(format string, args ...any) {
	m.notes = append(m.notes, fmt.Sprintf(format, args...))
}

// general is what the file says of where the model is from.
func general(f *gguf.File) map[string]string {
	g := f.General()
	m := map[string]string{"name": g.Name, "organization": g.Organization, "license": g.License, "url": g.URL, "quantized_by": g.QuantizedBy}
	for k, v := range m {
		if v == "" {
			delete(m, k)
		}
	}
	return m
}

// settleHead stores a head that repeats the embeddings once.
func (s *ggufSource) settleHead(m *material) error {
	head, ok := m.weights.lookup(key{format.RoleHead, -1, -1})
	embed, _ := m.weights.lookup(key{format.RoleEmbedding, -1, -1})
	if !ok {
		return nil
	}
	same, err := s.same(head, embed)
	if same {
		m.meta.Config.TiedEmbeddings = true
		m.note("%s repeats %s: stored once, as tied embeddings", head.Name(), embed.Name())
	}
	return err
}

// text reads the tokenizer and the chat template. A model can do without: it runs on token ids then.
func (s *ggufSource) text(m *material) error {
	v, err := s.file.Vocabulary()
	if errors.Is(err, gguf.ErrNoVocabulary) {
		m.note("%v: the model runs on token ids only", unnamed(err, s.file))
		bos, eos, notes, err := s.file.TextTokens(m.meta.Config.Vocab)
		m.notes = append(m.notes, notes...)
		setTokens(&m.meta.Generation, bos, eos)
		return err
	}
	if err != nil {
		return err
	}
	m.notes = append(m.notes, v.Notes...)
	setTokens(&m.meta.Generation, v.Tokens.BOS, v.EOS)
	m.meta.ChatTemplate = v.ChatTemplate
	if v.ChatTemplate != "" {
		if _, err := tokenizer.ParseTemplate(v.ChatTemplate); err != nil {
			m.note("the chat template cannot be used: %v", err)
		}
	}
	t, err := tokenizer.ParseGGUF(v.Tokens)
	if err != nil {
		m.note("the vocabulary under tokenizer.ggml cannot be used, so that the model runs on token ids only: %v", err)
		return nil
	}
	if t.VocabSize() > m.meta.Config.Vocab {
		m.note("the tokenizer has %d tokens, the model only %d: text with the others cannot be run", t.VocabSize(), m.meta.Config.Vocab)
	}
	if m.meta.Tokenizer, err = t.MarshalBinary(); err != nil {
		return fmt.Errorf("%s: the tokenizer: %w", s.file.Paths()[0], err)
	}
	return nil
}

// setTokens sets the tokens that begin and end a text, of what a file has of them.
func setTokens(g *format.Generation, bos int32, eos []int32) {
	if len(eos) > 0 {
		g.EOS = eos
	}
	if bos >= 0 {
		g.BOS = &bos
	}
}

// unnamed returns an error's text without the file's name.
func unnamed(err error, f *gguf.File) string {
	return strings.TrimPrefix(err.Error(), f.Paths()[0]+": ")
}

// sampling reads general.sampling.*, the defaults for generation.
func (s *ggufSource) sampling(m *material) error {
	g, err := s.file.Sampling()
	m.meta.Generation = format.Generation{Temperature: g.Temperature, TopK: g.TopK, TopP: g.TopP, MinP: g.MinP, RepetitionPenalty: g.RepetitionPenalty}
	names := map[string]string{"temperature": "temp", "repetition_penalty": "penalty_repeat"}
	m.notes = append(m.notes, usable(&m.meta.Generation, func(name string) string {
		return "metadata entry general.sampling." + cmp.Or(names[name], name)
	})...)
	return err
}
