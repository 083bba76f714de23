package tokenizer

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A decoder chain turns tokens, as the vocabulary writes them, into text. In
// the library each decoder turns a list of tokens into another. Here each is a
// stage through which the tokens pass one by one, so that a stream gets the
// same text as a whole: a token comes in one part or several, the last of
// which has end set.
type stage interface {
	// part takes a part of a token and passes on what can no longer change.
	part(text string, end bool, next sink)
	// flush passes on what is left at the end of all tokens, and begins anew.
	flush(next sink)
}

// sink takes what a stage passes on.
type sink func(text string, end bool)

const knownDecoders = "ByteLevel Metaspace Replace ByteFallback Fuse Strip BPEDecoder Sequence"

// checkDecoder returns c with the fields that count and a function that makes
// its stage.
func checkDecoder(c component) (component, func() stage, error) {
	switch c.Type {
	case typeByteLevel:
		return c.keep(), func() stage { return &byteLevelStage{} }, nil
	case "ByteFallback":
		return c.keep(), func() stage { return &byteFallbackStage{} }, nil
	case typeFuse:
		return c.keep(), func() stage { return &fuseStage{} }, nil
	case typeMetaspace:
		m, err := c.metaspace()
		if err != nil {
			return c, nil, named("decoder", c, err)
		}
		return c.keep("metaspace"), func() stage { return &metaspaceStage{metaspace: m} }, nil
	case typeReplace:
		m, err := c.Pattern.compile()
		if err != nil {
			return c, nil, named("decoder", c, err)
		}
		return c.keep("pattern", "content"), func() stage { return &replaceStage{matcher: m, content: c.Content} }, nil
	case typeStrip:
		r, err := oneRune("content", c.Content)
		if err == nil && (c.Start < 0 || c.Stop < 0) {
			err = fmt.Errorf("start %d, stop %d: a count is negative", c.Start, c.Stop)
		}
		if err != nil {
			return c, nil, named("decoder", c, err)
		}
		return c.keep("content", "counts"), func() stage { return &stripStage{content: r, start: c.Start, stop: c.Stop} }, nil
	case "BPEDecoder":
		return c.keep("suffix"), func() stage { return &suffixStage{suffix: c.Suffix} }, nil
	}
	return c, nil, unsupportedType("decoder", c, knownDecoders)
}

// compileDecoder checks the decoders of a tokenizer and returns those of the
// section and the functions that make their stages. Without a decoder, the
// library joins tokens by spaces.
func compileDecoder(components []component) ([]component, []func() stage, error) {
	if err := checkComponents("decoder", components); err != nil {
		return nil, nil, err
	}
	var kept []component
	var stages []func() stage
	for _, c := range components {
		k, make, err := checkDecoder(c)
		if err != nil {
			return nil, nil, err
		}
		kept, stages = append(kept, k), append(stages, make)
	}
	if len(kept) == 0 {
		stages = append(stages, func() stage { return &spaceStage{} })
	}
	return kept, stages, nil
}

// chain is a decoder in use.
type chain struct {
	stages []stage
	sinks  []sink // sinks[i] is where tokens for stages[i] go
	out    []byte
	skip   int // bytes of out that are not shown
}

func newChain(makers []func() stage) *chain {
	c := &chain{}
	for _, make := range makers {
		c.stages = append(c.stages, make())
	}
	c.sinks = make([]sink, len(makers)+1)
	c.sinks[len(makers)] = func(text string, _ bool) { c.out = append(c.out, text...) }
	for i := len(makers) - 1; i >= 0; i-- {
		s, next := c.stages[i], c.sinks[i+1]
		c.sinks[i] = func(text string, end bool) { s.part(text, end, next) }
	}
	return c
}

func (c *chain) token(text string) { c.sinks[0](text, true) }

func (c *chain) flush() {
	for i, s := range c.stages {
		s.flush(c.sinks[i+1])
	}
}

// begin has some text come before the tokens, which take does not return: the
// next token is not the first.
func (c *chain) begin() {
	const text = "|"
	c.token(text)
	if c.take() == "" { // a stage holds it
		c.skip = len(text)
	}
}

// take returns the text that has come out since the last call.
func (c *chain) take() string {
	n := min(c.skip, len(c.out))
	text := string(c.out[n:])
	c.out, c.skip = c.out[:0], c.skip-n
	return text
}

// wholeToken collects the parts of a token, for stages that look at it whole.
type wholeToken struct{ held string }

func (w *wholeToken) add(text string, end bool) (string, bool) {
	text = w.held + text
	w.held = ""
	if !end {
		w.held = text
	}
	return text, end
}

// spaceStage puts a space between tokens.
type spaceStage struct{ begun bool }

func (s *spaceStage) part(text string, end bool, next sink) {
	if s.begun {
		text = " " + text
	}
	s.begun = end
	next(text, end)
}

func (s *spaceStage) flush(sink) { s.begun = false }

// byteLevelStage makes one text of all tokens, of the bytes that they stand for.
type byteLevelStage struct {
	wholeToken
	pending []byte
}

func (s *byteLevelStage) part(text string, end bool, next sink) {
	text, end = s.add(text, end)
	if !end {
		return
	}
	s.pending = append(s.pending, decodeByteLevel(text)...)
	s.pass(false, next)
}

func (s *byteLevelStage) pass(final bool, next sink) {
	valid, n := appendValid(nil, s.pending, final)
	s.pending = append(s.pending[:0], s.pending[n:]...)
	if len(valid) > 0 || final {
		next(string(valid), final)
	}
}

func (s *byteLevelStage) flush(next sink) {
	if s.held != "" {
		s.pending = append(s.pending, decodeByteLevel(s.held)...)
		s.held = ""
	}
	s.pass(true, next)
}

// byteFallbackStage makes text of runs of tokens <0x00> to <0xFF>: if the run
// is valid UTF-8 its text, else U+FFFD for each. That is known at its end.
type byteFallbackStage struct {
	wholeToken
	run []byte
}

func (s *byteFallbackStage) part(text string, end bool, next sink) {
	text, end = s.add(text, end)
	if !end {
		return
	}
	if b, ok := fallbackByte(text); ok {
		s.run = append(s.run, b)
		return
	}
	s.pass(next)
	next(text, true)
}

func (s *byteFallbackStage) pass(next sink) {
	switch {
	case len(s.run) == 0:
	case utf8.Valid(s.run):
		next(string(s.run), true)
	default:
		for range s.run {
			next(string(utf8.RuneError), true)
		}
	}
	s.run = s.run[:0]
}

func (s *byteFallbackStage) flush(next sink) {
	if held := s.held; held != "" {
		s.held = ""
		s.part(held, true, next)
	}
	s.pass(next)
}

// fallbackByte returns the byte of a token such as <0x0A>.
func fallbackByte(token string) (byte, bool) {
	if len(token) != 6 || token[:3] != "<0x" || token[5] != '>' {
		return 0, false
	}
	b, err := strconv.ParseUint(strings.TrimPrefix(token[3:5], "+"), 16, 8)
	return byte(b), err == nil
}

// fuseStage makes one token of all.
type fuseStage struct{}

func (s *fuseStage) part(text string, _ bool, next sink) {
	if text != "" {
		next(text, false)
	}
}

func (s *fuseStage) flush(next sink) { next("", true) }

// metaspaceStage makes spaces of ▁, but none at the beginning of the first token.
type metaspaceStage struct {
	metaspace
	begun bool // the first token is over
}

func (s *metaspaceStage) part(text string, end bool, next sink) {
	space := " "
	if !s.begun && s.scheme != "never" {
		space = ""
	}
	s.begun = s.begun || end
	next(strings.ReplaceAll(text, s.text, space), end)
}

func (s *metaspaceStage) flush(sink) { s.begun = false }

// replaceStage replaces within each token.
type replaceStage struct {
	wholeToken
	matcher matcher
	content string
}

func (s *replaceStage) part(text string, end bool, next sink) {
	text, end = s.add(text, end)
	if l, ok := s.matcher.(literal); ok && l != "" && !end {
		// The end of the text may be the beginning of a match to come.
		tail := text
		for at := strings.Index(tail, string(l)); at >= 0; at = strings.Index(tail, string(l)) {
			tail = tail[at+len(l):]
		}
		keep := min(len(l)-1, len(tail))
		for !strings.HasSuffix(tail, string(l[:keep])) {
			keep--
		}
		s.held = text[len(text)-keep:]
		text = text[:len(text)-keep]
		if text != "" {
			next(strings.ReplaceAll(text, string(l), s.content), false)
		}
		return
	}
	if end {
		text, _ = replaceMatches(text, s.matcher, s.content, false)
		next(text, true)
	}
}

func (s *replaceStage) flush(next sink) {
	if s.held != "" {
		s.part("", true, next)
	}
}

// stripStage takes up to start of a character from the beginning of each token
// and up to stop from its end.
type stripStage struct {
	content     rune
	start, stop int
	within      bool // a token has begun
	taken       int  // from its beginning
	done        bool // with its beginning
	held        []byte
}

func (s *stripStage) part(text string, end bool, next sink) {
	if !s.within {
		s.within, s.done, s.taken, s.held = true, false, 0, s.held[:0]
	}
	for !s.done && text != "" {
		r, n := utf8.DecodeRuneInString(text)
		if s.taken == s.start || r != s.content {
			s.done = true
			break
		}
		text = text[n:]
		s.taken++
	}
	text = string(s.held) + text
	s.held = s.held[:0]
	// The last of the characters to strip are held until the token ends.
	rest, n := text, 0
	for n < s.stop {
		r, size := utf8.DecodeLastRuneInString(rest)
		if size == 0 || r != s.content {
			break
		}
		rest = rest[:len(rest)-size]
		n++
	}
	if !end {
		s.held = append(s.held, text[len(rest):]...)
	} else {
		s.within = false
	}
	if rest != "" || end {
		next(rest, end)
	}
}

func (s *stripStage) flush(next sink) {
	if s.within {
		s.part("", true, next)
	}
}

// suffixStage makes a space of the suffix that ends words, but for the last token.
type suffixStage struct {
	wholeToken
	suffix string
	last   string // a token, held until there is another
	some   bool
}

func (s *suffixStage) part(text string, end bool, next sink) {
	text, end = s.add(text, end)
	if !end {
		return
	}
	if s.some {
		next(s.replace(" "), true)
	}
	s.last, s.some = text, true
}

func (s *suffixStage) replace(by string) string {
	if s.suffix == "" {
		return s.last
	}
	return strings.ReplaceAll(s.last, s.suffix, by)
}

func (s *suffixStage) flush(next sink) {
	if s.held != "" {
		s.part("", true, next)
	}
	if s.some {
		next(s.replace(""), true)
	}
	s.some, s.last = false, ""
}
