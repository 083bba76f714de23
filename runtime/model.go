package runtime

import (
	"cmp"
	"context"
	"fmt"
	goruntime "runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/zeebo/xxh3"

	"st/format"
	"st/runtime/engine"
	"st/tokenizer"
)

// Model is a model file that is ready to run. Any number of goroutines may use one. Close it after use.
type Model struct {
	*resources
	tok      *tokenizer.Tokenizer    // nil: the file has none
	end      []int32                 // tokens that end a text
	infill   *tokenizer.InfillTokens // nil: there are none
	template func() (*tokenizer.Template, error)
	dialect  func() *dialect
	longest  func() int // bytes of the longest token
	memory   Memory
	kvType   KVType
	routing  string                         // how the choice of experts differs from the file's; "": it does not
	relieve  func(ctx context.Context) bool // nil: nothing can
	grammars grammars
	// What was remembered of the experts when the model was opened, and what the engine was told of it; nil: nothing.
	remembered *ExpertUses
	// The file with it.
	rememberedIn string
	seeds        *format.Usage
	loadTime     time.Duration
	cleanup      goruntime.Cleanup
}

// Fingerprint identifies what the model computes: its file, and the options that change which experts a token uses.
func (m *Model) Fingerprint() [16]byte {
	id := m.file.Fingerprint()
	if m.routing != "" {
		id = xxh3.Hash128(append(id[:], m.routing...)).Bytes()
	}
	return id
}

// resources are what a model holds that must be given back.
type resources struct {
	file    *format.Reader
	engine  *engine.Engine
	breath  *breath // nil: its memory does not change
	unwatch func()  // ends what changes it; nil: nothing does
	learn   func()  // remembers which experts were used; nil: nothing does
	closed  atomic.Bool
}

// TokenizerMemory is about what the tokenizer of a file takes in memory.
func TokenizerMemory(r *format.Reader) int64 { return 5 * int64(len(r.Tokenizer)) }

// endTokens returns the tokens that end a text: those that the file names, and those that its vocabulary and chat template show to be.
func endTokens(r *format.Reader, tok *tokenizer.Tokenizer) []int32 {
	if tok == nil {
		return r.Generation.EOS
	}
	return tok.EndTokens(r.ChatTemplate, r.Generation.EOS)
}

// Close gives back what the model holds, and adds to Options.ExpertCache. What runs ends between two layers, with [ErrClosed]. A second Close does nothing. A
// model that is dropped without Close is closed some time later.
func (m *Model) Close() error {
	m.cleanup.Stop()
	return m.resources.close()
}

func (r *resources) close() error {
	if r.closed.Swap(true) {
		return r.engine.Close() // which waits for the first one
	}
	if r.unwatch != nil {
		r.unwatch()
	}
	err := cmp.Or(r.engine.Close(), r.file.Close())
	if r.learn != nil {
		r.learn()
	}
	return err
}

// Path returns the file's name, as it was opened.
func (m *Model) Path() string { return m.file.Path() }

// File returns the file, which the model closes. Its metadata can be read after that, too.
func (m *Model) File() *format.Reader { return m.file }

// Config returns the architecture that runs: the file's, with Options.ExpertsPerToken.
func (m *Model) Config() *format.Config { return m.engine.Config() }

// Engine returns what computes, for measurements and observers. It must not be closed.
func (m *Model) Engine() *engine.Engine { return m.engine }

// Tokenizer returns the model's tokenizer; nil if the file has none.
func (m *Model) Tokenizer() *tokenizer.Tokenizer { return m.tok }

// Context returns the longest sequence in tokens.
func (m *Model) Context() int { return m.engine.Context() }

// Threads returns the number of threads that compute.
func (m *Model) Threads() int { return m.engine.Threads() }

// KVType returns the number format of the KV cache.
func (m *Model) KVType() KVType { return m.kvType }

// Memory tells how the model's memory was chosen.
func (m *Model) Memory() Memory { return m.memory }

// The values of ReadMethod.
const (
	ReadByThreads = engine.ReadByThreads
	ReadByUring   = engine.ReadByUring
)

// ReadMethod tells how what is not in memory is read: [ReadByThreads] or [ReadByUring]; empty: the file is mapped. The environment variable ST_IO
// chooses it.
func (m *Model) ReadMethod() string { return m.engine.ReadMethod() }

// LoadTime returns how long opening took.
func (m *Model) LoadTime() time.Duration { return m.loadTime }

// EndTokens returns the ids of the tokens that end a text or a turn.
func (m *Model) EndTokens() []int32 { return slices.Clone(m.end) }

// Stats tells what the model did since it was opened.
type Stats = engine.Stats

// Stats returns the counters.
func (m *Model) Stats() Stats { return m.engine.Stats() }

// RecordUsage adds to the model's file how often its experts were used since the model was opened, by how many tokens: what a memory
// budget keeps first in later runs. It returns the name of the file that it was written to, which is one beside the model's if that
// cannot be written to. Call it once, before Close.
func (m *Model) RecordUsage() (path string, tokens int64, err error) {
	if m.closed.Load() {
		return "", 0, m.named(ErrClosed)
	}
	usage := m.engine.Usage()
	if usage.Tokens == 0 {
		return "", 0, nil
	}
	path, err = m.file.RecordUsage(usage)
	return path, usage.Tokens, err
}

// needTokenizer returns ErrNoTokenizer if there is none.
func (m *Model) needTokenizer() error {
	if m.tok == nil {
		return fmt.Errorf("%s: %w", m.file.Path(), ErrNoTokenizer)
	}
	return nil
}

// Encode returns the tokens of a raw text, which begins with BOS if the model expects that. Special tokens such as <|im_end|> that the text
// names are themselves.
func (m *Model) Encode(text string) ([]int32, error) { return m.encode(text, true) }

// EncodePrompt is Encode for a text that is going to be continued: an empty one is the token that begins a text, if there is one.
func (m *Model) EncodePrompt(text string) ([]int32, error) {
	if err := m.checkLength(text); err != nil {
		return nil, err
	}
	ids, err := m.Encode(text)
	if err == nil && len(ids) == 0 {
		if id, ok := m.beginning(); ok {
			ids = []int32{id}
		}
	}
	return ids, err
}

// normalization is by how much a tokenizer may shorten a text before it looks for tokens: Unicode's forms NFC and NFKC make three bytes of nine.
const normalization = 4

// checkLength returns [ErrContextFull] for a text that has more bytes than all tokens of a context can have. It exists because such a text may have
// any size, and takes much more memory and time once it is cut into tokens.
func (m *Model) checkLength(text string) error {
	if m.tok == nil || len(text) <= 16*normalization*m.Context() { // longer tokens are usual
		return nil
	}
	if most := normalization * m.longest() * m.Context(); len(text) > most {
		return fmt.Errorf("%w: the prompt has %d bytes, and %d tokens have %d at most", ErrContextFull, len(text), m.Context(), most)
	}
	return nil
}

func (m *Model) longestToken() (most int) {
	for id := range m.tok.VocabSize() {
		text, _ := m.tok.Token(int32(id))
		most = max(most, len(text), len(m.tok.Text(int32(id))))
	}
	return most
}

// EncodePlain is Encode for a text that is nothing but text: names of special tokens in it are text, too.
func (m *Model) EncodePlain(text string) ([]int32, error) { return m.encode(text, false) }

func (m *Model) encode(text string, special bool) ([]int32, error) {
	if err := m.needTokenizer(); err != nil {
		return nil, err
	}
	ids := m.tok.Encode(text, special)
	if bos, ok := m.tok.BOS(); ok && m.tok.AddBOS() && (len(ids) == 0 || ids[0] != bos) {
		ids = append([]int32{bos}, ids...)
	}
	return ids, nil
}

// beginning returns the token that begins a text, if there is one.
func (m *Model) beginning() (int32, bool) {
	if m.tok != nil {
		if id, ok := m.tok.BOS(); ok {
			return id, true
		}
	}
	if id := m.file.Generation.BOS; id != nil {
		return *id, true
	}
	return 0, false
}
