package runtime

import (
	"context"
	"errors"
	"fmt"
	"math"
	goruntime "runtime"
	"slices"
	"sync"
	"sync/atomic"

	"st/runtime/grammar"
	"st/runtime/lru"
)

// grammars are the compiled grammars of a model. The last ones are kept, by what they say, so that requests with the same one share it.
type grammars struct {
	vocabulary func() *grammar.Vocabulary
	compiled   *lru.Cache[*grammar.Compiled]
	calls      *lru.Cache[callGrammar] // of tools
}

// Bounds of what is kept, in bytes. A compiled grammar takes up to some 30 MB once it is used.
const (
	keepCompiled = 64 << 20
	keepCalls    = 8 << 20
)

func newGrammars(vocabulary func() *grammar.Vocabulary) grammars {
	return grammars{vocabulary: vocabulary, compiled: lru.New(1, keepCompiled, (*grammar.Compiled).Size), calls: lru.New(1, keepCalls, callGrammar.size)}
}

// newVocabulary returns the bytes of the model's tokens, for grammars. Special tokens have none.
func (m *Model) newVocabulary() *grammar.Vocabulary {
	tokens := make([][]byte, min(m.tok.VocabSize(), m.Config().Vocab))
	const run = 4096
	var next atomic.Int64
	var reading sync.WaitGroup
	for range min(goruntime.GOMAXPROCS(0), len(tokens)/run+1) {
		reading.Go(func() {
			for from := int(next.Add(run)) - run; from < len(tokens); from = int(next.Add(run)) - run {
				m.tokenTexts(tokens[from:min(from+run, len(tokens))], from)
			}
		})
	}
	reading.Wait()
	ends := slices.DeleteFunc(slices.Clone(m.end), func(id int32) bool { return int(id) >= len(tokens) })
	return grammar.NewVocabulary(tokens, ends, m.tok.ID)
}

// tokenTexts writes the bytes of the tokens from an id on. They lie in one piece of memory.
func (m *Model) tokenTexts(tokens [][]byte, from int) {
	var all []byte
	ends := make([]int, len(tokens))
	for i := range tokens {
		if id := int32(from + i); !m.tok.IsSpecial(id) {
			all = append(all, m.tok.Text(id)...)
		}
		ends[i] = len(all)
	}
	begin := 0
	for i, end := range ends {
		tokens[i] = all[begin:end:end]
		begin = end
	}
}

// CompileGrammar prepares a grammar for the model's tokens, unless that was done already, and returns it. Generate does it by itself; a
// program does it to find errors early. They wrap [ErrGrammar].
func (m *Model) CompileGrammar(g *grammar.Grammar) (*grammar.Compiled, error) {
	return m.CompileGrammarContext(context.Background(), g)
}

// CompileGrammarContext is CompileGrammar that gives up, with the cause, when ctx ends. One grammar is compiled at a time.
func (m *Model) CompileGrammarContext(ctx context.Context, g *grammar.Grammar) (*grammar.Compiled, error) {
	if err := m.needTokenizer(); err != nil {
		return nil, err
	}
	compiled, err := m.grammars.compiled.Get(ctx, g.Fingerprint(), func() (*grammar.Compiled, error) {
		return m.grammars.vocabulary().CompileContext(ctx, g)
	})
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("%s: %w", m.file.Path(), err)
	case err != nil:
		return nil, as(ErrGrammar, fmt.Errorf("%s: %w", m.file.Path(), err))
	}
	return compiled, nil
}

// constraint keeps a text within a grammar.
type constraint struct {
	model    *Model
	ctx      context.Context // of the text
	matcher  *grammar.Matcher
	ends     []int32 // tokens that end the text: the grammar may have those that mark gaps as text
	endless  bool    // they are never drawn: Generate.IgnoreEOS
	ahead    bool    // forced tokens are run together
	accepted []int32 // tokens of the text
}

// constrain returns what keeps a text, which such tokens end, within Generate.Grammar; nil: there is none.
func (m *Model) constrain(ctx context.Context, g *Generate, ends []int32) (*constraint, error) {
	if g.Grammar == nil {
		return nil, nil
	}
	compiled, err := m.CompileGrammarContext(ctx, g.Grammar)
	if err != nil {
		return nil, err
	}
	go compiled.Prepare(ctx) // while the prompt runs
	c := &constraint{model: m, ctx: ctx, matcher: compiled.NewMatcherContext(ctx), ends: ends, endless: g.IgnoreEOS, ahead: !g.LogProbs}
	return c, c.begin(g.begun)
}

// begin has the text begin with one that the prompt has.
func (c *constraint) begin(text string) error {
	for i, r := range text {
		err := c.matcher.AcceptText(string(r))
		if errors.Is(err, grammar.ErrNotAllowed) {
			err = fmt.Errorf("%w: the answer is to begin with %q, where %q comes after %q", grammar.ErrNotAllowed, text, r, text[:i])
		}
		if err != nil {
			return c.failed(err)
		}
	}
	return nil
}

// mask leaves the logits of tokens that the grammar allows, and of those that end the text only where it may end.
func (c *constraint) mask(logits []float32) error {
	if err := c.matcher.Mask(logits); err != nil {
		return c.failed(err)
	}
	if !c.endless && c.matcher.CanEnd() {
		return nil
	}
	for _, id := range c.ends {
		if int(id) < len(logits) {
			logits[id] = float32(math.NaN())
		}
	}
	return nil
}

// accept adds a token to the text.
func (c *constraint) accept(id int32) error {
	if err := c.matcher.Accept(id); err != nil {
		return c.failed(err)
	}
	c.accepted = append(c.accepted, id)
	return nil
}

// failed is an error of the matcher. It is none of the grammar if the context has ended.
func (c *constraint) failed(err error) error {
	if c.ctx.Err() != nil {
		return c.ctx.Err()
	}
	return as(ErrGrammar, fmt.Errorf("%s: %w", c.model.file.Path(), err))
}

// contextTokens is how many tokens before a forced text are tokenized with it.
const contextTokens = 3

// follow returns a token that was drawn, or −1, and those that must come after it: what the tokenizer makes of the text that the grammar forces,
// together with the tokens before it, as the model has read such text. That may write the drawn token otherwise. The last part of the text
// is left out if what follows could be in one token with it. The tokens are not accepted yet.
func (c *constraint) follow(drawn int32) []int32 {
	tokens := []int32{drawn}
	if drawn < 0 {
		tokens = nil
	}
	if !c.ahead {
		return tokens
	}
	after := c.matcher.Clone()
	if drawn >= 0 && after.Accept(drawn) != nil {
		return tokens
	}
	forced := string(after.Forced())
	if forced == "" || after.AcceptText(forced) != nil {
		return tokens
	}
	if drawn >= 0 && len(c.matcher.Vocabulary().Bytes(drawn)) == 0 { // a special token, which is in no other
		return append(tokens, c.tokenize(nil, forced, after)...)
	}
	for n := min(contextTokens, len(c.accepted)); n >= 0; n-- {
		context := c.accepted[len(c.accepted)-n:]
		stable := c.tokenize(slices.Concat(context, tokens), forced, after)
		if len(stable) < n || !slices.Equal(stable[:n], context) {
			continue // the text before is written otherwise already
		}
		if stable = stable[n:]; c.size(stable) > c.size(tokens) && c.allows(stable) {
			return stable
		}
	}
	return tokens
}

// size returns the length of tokens' text.
func (c *constraint) size(tokens []int32) (n int) {
	for _, id := range tokens {
		n += len(c.matcher.Vocabulary().Bytes(id))
	}
	return n
}

// allows reports whether the grammar allows tokens.
func (c *constraint) allows(tokens []int32) bool {
	m := c.matcher.Clone()
	for _, id := range tokens {
		if m.Accept(id) != nil {
			return false
		}
	}
	return true
}

// probes are characters that tokens begin with or go on with in different ways.
var probes = []string{"a", "A", "1", "\"", " ", "\n", ",", "}", "]", "{", "[", ":", "-", ".", "\\", "<", "é", "日"}

// tokenize returns the tokens of what tokens and a text after them spell, as far as they do not depend on what comes next.
func (c *constraint) tokenize(tokens []int32, text string, after *grammar.Matcher) []int32 {
	v := c.matcher.Vocabulary()
	var all []byte
	for _, id := range tokens {
		b := v.Bytes(id)
		if len(b) == 0 {
			return nil // it is no text
		}
		all = append(all, b...)
	}
	all = append(all, text...)
	var common []int32
	begun := false
	compare := func(probe string) {
		ids := c.model.tok.Encode(string(all)+probe, false)
		if !begun {
			common, begun = ids, true
			return
		}
		n := 0
		for n < min(len(common), len(ids)) && common[n] == ids[n] {
			n++
		}
		common = common[:n]
	}
	next := after.NextBytes()
	for _, p := range probes {
		if next[p[0]/64]>>(p[0]%64)&1 != 0 {
			compare(p)
		}
	}
	if after.CanEnd() || !begun {
		compare("")
	}
	// What is common must spell the beginning of the text, and no part of what comes next.
	at := 0
	for i, id := range common {
		b := v.Bytes(id)
		if len(b) == 0 || at+len(b) > len(all) || string(all[at:at+len(b)]) != string(b) {
			return common[:i]
		}
		at += len(b)
	}
	return common
}
