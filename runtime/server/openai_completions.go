package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"net/http"
	"slices"
	"unicode/utf8"

	"st/runtime"
)

// completionRequest is the body of /v1/completions.
type completionRequest struct {
	openAISampling
	Prompt   *prompts `json:"prompt"`
	Suffix   string   `json:"suffix"`
	Echo     bool     `json:"echo"`
	LogProbs *int     `json:"logprobs"`
	BestOf   *int     `json:"best_of"`
}

// defaultMaxTokens is OpenAI's for text completions.
const defaultMaxTokens = 16

// prompts are a text, tokens, or a list of either.
type prompts []prompt

// prompt is a text, or tokens if those are not nil, or what comes before and after a gap.
type prompt struct {
	text   string
	tokens []int32
	infill *runtime.Infill
}

func (p *prompts) UnmarshalJSON(data []byte) error {
	var one string
	var many []*string
	var tokens tokenIDs
	var lists []tokenIDs
	switch {
	case json.Unmarshal(data, &one) == nil:
		*p = prompts{{text: one}}
	case json.Unmarshal(data, &many) == nil && len(many) > 0 && !slices.Contains(many, nil):
		for _, text := range many {
			*p = append(*p, prompt{text: *text})
		}
	case json.Unmarshal(data, &tokens) == nil && len(tokens) > 0:
		*p = prompts{{tokens: tokens}}
	case json.Unmarshal(data, &lists) == nil && len(lists) > 0:
		for _, tokens := range lists {
			if len(tokens) == 0 {
				return wants("prompts that have a token at least")
			}
			*p = append(*p, prompt{tokens: tokens})
		}
	default:
		return wants("a string, an array of strings, an array of token ids, or an array of those; none of them empty")
	}
	return nil
}

// tokenIDs are tokens. As whole numbers elsewhere, they may be written as 40.0: see [setField].
type tokenIDs []int32

func (t *tokenIDs) UnmarshalJSON(data []byte) error {
	var numbers []*float64 // of null it is nil
	if json.Unmarshal(data, &numbers) != nil || slices.Contains(numbers, nil) {
		return wants("an array of token ids")
	}
	*t = make(tokenIDs, len(numbers))
	for i, n := range numbers {
		if (*t)[i] = int32(*n); float64((*t)[i]) != *n {
			return wants(fmt.Sprintf("an array of token ids: %v is none", *n))
		}
	}
	return nil
}

// encode returns a prompt's tokens and its text.
func (p prompt) encode(m *runtime.Model) (tokens []int32, text string, err error) {
	switch {
	case p.infill != nil:
		tokens, err = m.InfillPrompt(*p.infill)
		return tokens, p.text, err
	case p.tokens == nil:
		tokens, err = m.EncodePrompt(p.text)
		return tokens, p.text, err
	}
	for i, id := range p.tokens {
		if vocab := m.Config().Vocab; id < 0 || int(id) >= vocab {
			return nil, "", badField("prompt", fmt.Sprintf("token %d is %d: the vocabulary has ids 0 to %d", i, id, vocab-1))
		}
	}
	if t := m.Tokenizer(); t != nil {
		text = t.Decode(p.tokens, false)
	}
	return p.tokens, text, nil
}

// generate returns what the request asks for.
func (q *completionRequest) generate(read formats) (g runtime.Generate, err error) {
	if g, err = q.openAISampling.generate(read); err != nil {
		return g, err
	}
	if q.MaxTokens == nil && q.NPredict == nil {
		g.MaxTokens = defaultMaxTokens
	}
	switch {
	case q.Prompt == nil:
		return g, badField("prompt", "it is missing")
	case len(*q.Prompt)*q.choices() > maxTexts:
		return g, badField("prompt", fmt.Sprintf("%d prompts with n %d are more than %d texts", len(*q.Prompt), q.choices(), maxTexts))
	case q.Suffix != "" && slices.ContainsFunc(*q.Prompt, func(p prompt) bool { return p.tokens != nil }):
		return g, badField("suffix", "with it the prompt must be a text: it is of token ids")
	case q.Suffix != "" && q.Echo && q.LogProbs != nil:
		return g, badField("echo", "with suffix it does not go together with logprobs: leave out one of the three")
	case q.BestOf != nil && *q.BestOf != q.choices():
		return g, badField("best_of", "choosing the best of several texts is not supported: leave it out, or ask for as many with n")
	case q.LogProbs != nil && (*q.LogProbs < 0 || *q.LogProbs > maxTopLogProbs):
		return g, badField("logprobs", fmt.Sprintf("it is %d and must be between 0 and %d", *q.LogProbs, maxTopLogProbs))
	case q.LogProbs != nil:
		g.LogProbs, g.TopLogProbs, g.PromptLogProbs = true, *q.LogProbs, q.Echo
	}
	return g, nil
}

// completion is an answer, or a part of one if it is streamed.
type completion struct {
	ID      string              `json:"id"`
	Object  string              `json:"object"`
	Created int64               `json:"created"`
	Model   string              `json:"model"`
	Choices []*completionChoice `json:"choices"`
	Usage   *openAIUsage        `json:"usage,omitempty"`
}

type completionChoice struct {
	Text         string              `json:"text"`
	Index        int                 `json:"index"`
	LogProbs     *completionLogProbs `json:"logprobs"`
	FinishReason *string             `json:"finish_reason"`

	offset int // of the next token's text, in characters
}

// completionLogProbs are the probabilities of tokens. The first of an echoed prompt has none: null.
type completionLogProbs struct {
	Tokens        []string             `json:"tokens"`
	TokenLogProbs []*logProb           `json:"token_logprobs"`
	TopLogProbs   []map[string]logProb `json:"top_logprobs"`
	TextOffset    []int                `json:"text_offset"`
}

// add adds a token and its probabilities.
func (c *completionChoice) add(m *runtime.Model, id int32, p *runtime.Piece) {
	if c.LogProbs == nil {
		c.LogProbs = &completionLogProbs{}
	}
	l, text := c.LogProbs, tokenText(m, id)
	l.Tokens, l.TextOffset = append(l.Tokens, text), append(l.TextOffset, c.offset)
	if !m.Tokenizer().IsSpecial(id) || p.Prompt {
		c.offset += characters(m.Tokenizer().Text(id))
	}
	if math.IsNaN(p.LogProb) {
		l.TokenLogProbs, l.TopLogProbs = append(l.TokenLogProbs, nil), append(l.TopLogProbs, nil)
		return
	}
	// The token itself is among the likeliest, also if it is none of them. Of tokens that read the same the likelier counts.
	top := map[string]logProb{text: logProb(p.LogProb)}
	for _, t := range p.Top {
		name := tokenText(m, t.Token)
		if old, ok := top[name]; !ok || logProb(t.LogProb) > old {
			top[name] = logProb(t.LogProb)
		}
	}
	l.TokenLogProbs, l.TopLogProbs = append(l.TokenLogProbs, new(logProb(p.LogProb))), append(l.TopLogProbs, top)
}

// characters counts the characters that begin in a token's text: one that several tokens write begins in the first of them.
func characters(text string) (n int) {
	for i := range len(text) {
		if utf8.RuneStart(text[i]) {
			n++
		}
	}
	return n
}

// tokenText is the text of a token as OpenAI writes it: bytes that are no whole characters have a form of their own.
func tokenText(m *runtime.Model, id int32) string {
	text := m.Tokenizer().Text(id)
	if utf8.ValidString(text) {
		return text
	}
	escaped := "bytes:"
	for i := range len(text) {
		escaped += fmt.Sprintf("\\x%02x", text[i])
	}
	return escaped
}

// completions answers /v1/completions.
func (s *Server) completions(w http.ResponseWriter, r *http.Request, body []byte) error {
	var q completionRequest
	if err := decode(body, &q, ""); err != nil {
		return err
	}
	g, err := q.generate(s.formatsOf(r.Context()))
	if err != nil {
		return err
	}
	c := completer{r: r, q: &q, g: g, usage: &openAIUsage{}, events: events{w: w}}
	defer c.events.end()
	if q.Stream {
		s.keepAwake(&c.events)
	}
	j, err := s.begin(r.Context(), q.Model, nil)
	if err != nil {
		return c.events.fail(r, err)
	}
	defer j.end()
	j.fresh = q.fresh()
	if g.LogProbs && j.model.Tokenizer() == nil {
		return c.events.fail(r, badField("logprobs", "the model has no tokenizer, so its tokens have no text"))
	}
	c.j = j
	c.answer = completion{ID: answerID("cmpl-"), Object: "text_completion", Created: now(), Model: j.name, Choices: []*completionChoice{}}
	for i, p := range *q.Prompt {
		if q.Suffix != "" {
			p.infill = &runtime.Infill{Prefix: p.text, Suffix: q.Suffix}
		}
		tokens, text, err := p.encode(j.model)
		if errors.Is(err, runtime.ErrNoInfill) {
			e := asError(err)
			e.Param, err = "suffix", e
		}
		if err != nil {
			return c.events.fail(r, err)
		}
		switch err := c.complete(tokens, text, i*q.choices()); {
		case err != nil:
			return c.events.fail(r, err)
		case c.events.gone(): // the client went away
			return nil
		}
	}
	c.answer.Usage = c.usage
	switch {
	case !q.Stream:
		j.end()
		writeJSON(w, http.StatusOK, c.answer)
		return nil
	case q.StreamOptions.IncludeUsage:
		c.answer.Choices = []*completionChoice{}
		c.events.send("", c.answer)
	}
	c.events.done()
	return nil
}

// completer answers one request.
type completer struct {
	r      *http.Request
	j      *job
	q      *completionRequest
	g      runtime.Generate
	usage  *openAIUsage
	probs  logProbs
	events events
	answer completion // with all choices, unless they are streamed
}

// send sends a part of a choice. It reports whether the client is still there.
func (c *completer) send(t *completionChoice) bool {
	c.answer.Choices = []*completionChoice{t}
	if c.q.StreamOptions.IncludeUsage { // it comes with the last one
		return c.events.send("", struct {
			completion
			Usage null `json:"usage"`
		}{completion: c.answer})
	}
	return c.events.send("", c.answer)
}

// complete generates the choices of a prompt, of which the first has the given index.
func (c *completer) complete(tokens []int32, text string, index int) error {
	choices := make([]*completionChoice, c.q.choices())
	for i := range choices {
		choices[i] = &completionChoice{Index: index + i}
		if c.q.Echo {
			choices[i].Text = text
		}
	}
	each := func(ctx context.Context, i int) iter.Seq2[runtime.Piece, error] {
		return c.j.generate(ctx, tokens, choice(c.g, i))
	}
	for p, err := range c.j.choices(c.r.Context(), len(choices), c.g.PromptLogProbs, each) {
		if err != nil {
			return err
		}
		if c.g.LogProbs && !c.q.Stream {
			if err := c.probs.add(&p.Piece, "logprobs"); err != nil {
				return err
			}
		}
		t := choices[p.choice]
		t.Text += p.Text
		switch d := p.Done; {
		case d == nil && c.g.LogProbs:
			t.add(c.j.model, p.Token, &p.Piece)
		case d != nil:
			if c.g.LogProbs && d.EndToken >= 0 {
				t.add(c.j.model, d.EndToken, &p.Piece)
			}
			c.usage.add(d, p.choice)
			t.FinishReason = new(finishReason(d))
		}
		if c.q.Stream && (t.Text != "" || t.LogProbs != nil || t.FinishReason != nil) {
			if !c.send(t) {
				return nil
			}
			choices[p.choice] = &completionChoice{Index: t.Index, offset: t.offset}
		}
	}
	if !c.q.Stream {
		c.answer.Choices = append(c.answer.Choices, choices...)
	}
	return nil
}
