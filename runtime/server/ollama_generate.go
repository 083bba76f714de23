package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"st/runtime"
)

// ollamaGenerateRequest is the body of /api/generate.
type ollamaGenerateRequest struct {
	ollamaRequest
	Prompt   string            `json:"prompt"`
	Suffix   string            `json:"suffix"`
	System   string            `json:"system"`
	Template string            `json:"template"`
	Context  tokenIDs          `json:"context"` // tokens of earlier answers
	Raw      bool              `json:"raw"`
	Images   []json.RawMessage `json:"images"`
}

// check returns an error if fields are not supported, or not together.
func (q *ollamaGenerateRequest) check() error {
	switch {
	case q.Raw && (q.System != "" || q.Template != "" || len(q.Context) > 0):
		return badField("raw", "raw mode does not support template, system, or context")
	case q.Template != "":
		return badField("template", "it is not supported: the model has its own; with raw the prompt is the whole text")
	case len(q.Images) > 0:
		return badField("images", "images are not supported")
	}
	return nil
}

// fills reports whether the prompt and the suffix stand around a gap. A raw prompt is a whole text: what comes with it is not read, as in Ollama.
func (q *ollamaGenerateRequest) fills() bool { return q.Suffix != "" && !q.Raw }

// before returns the tokens of earlier answers, which go before the prompt.
func (q *ollamaGenerateRequest) before(m *runtime.Model) ([]int32, error) {
	if len(q.Context) == 0 {
		return nil, nil
	}
	tokens, _, err := prompt{tokens: q.Context}.encode(m)
	if err != nil {
		return nil, withField(err, func(string) string { return "context" })
	}
	return tokens, nil
}

// plain reports whether the prompt is a text that the model continues as it is. Without a chat template there is no other way.
func (q *ollamaGenerateRequest) plain(m *runtime.Model) bool {
	return q.Raw || q.fills() || errors.Is(m.CheckChat(), runtime.ErrNoTemplate)
}

// text returns the tokens of a plain prompt, after those of earlier answers, which it goes on from.
func (q *ollamaGenerateRequest) text(m *runtime.Model) ([]int32, error) {
	if q.System != "" && !q.fills() {
		return nil, badField("system", fmt.Sprintf("%q has no chat template, which would write it: write it into the prompt", q.Model))
	}
	if _, err := q.thinks(m); err != nil && !q.Raw {
		return nil, err
	}
	before, err := q.before(m)
	if err != nil {
		return nil, err
	}
	p := prompt{text: q.Prompt}
	if q.fills() {
		p.infill = &runtime.Infill{Prefix: q.Prompt, Suffix: q.Suffix}
	}
	tokens, _, err := p.encode(m)
	if errors.Is(err, runtime.ErrNoInfill) {
		err = badField("suffix", fmt.Sprintf("%q does not support insert", q.Model))
	}
	if err != nil {
		return nil, err
	}
	if bos, ok := m.Tokenizer().BOS(); ok && len(before) > 0 && len(tokens) > 0 && tokens[0] == bos {
		tokens = tokens[1:] // the prompt continues, so it has no second BOS token
	}
	return append(before, tokens...), nil
}

// chat returns the prompt that the model's chat template makes of a request.
func (q *ollamaGenerateRequest) chat(r *http.Request, m *runtime.Model) (*runtime.ChatPrompt, error) {
	before, err := q.before(m)
	if err != nil {
		return nil, err
	}
	messages := []runtime.Message{{Role: "user", Content: q.Prompt}}
	if q.System != "" {
		messages = []runtime.Message{{Role: "system", Content: q.System}, messages[0]}
	}
	think, err := q.thinks(m)
	if err != nil {
		return nil, err
	}
	p, err := m.ChatPrompt(r.Context(), messages, think)
	if err != nil {
		return nil, err
	}
	p.Tokens = append(before, p.Tokens...)
	return p, nil
}

// ollamaGenerate answers /api/generate.
func (s *Server) ollamaGenerate(w http.ResponseWriter, r *http.Request, body []byte) error {
	out := ollamaWriter{lines: lines{events{w: w}}, begun: time.Now(), set: func(a *ollamaAnswer, p *ollamaPart) {
		a.Response, a.Thinking = &p.text, p.thinking
	}}
	var q ollamaGenerateRequest
	out.request = &q.ollamaRequest
	if err := decode(body, &q, ""); err != nil {
		return err
	}
	g, err := q.generate(s.formatsOf(r.Context()))
	if err == nil {
		err = q.check()
	}
	if err != nil {
		return err
	}
	if q.Prompt == "" && !q.fills() {
		return out.writeLoad(w, r, s)
	}
	defer out.lines.end()
	j, err := out.begin(s, r)
	if err != nil {
		return out.lines.fail(r, err)
	}
	defer j.end()
	if q.plain(j.model) {
		prompt, err := q.text(j.model)
		if err != nil {
			return out.lines.fail(r, err)
		}
		if !q.Raw {
			out.context = prompt
		}
		return out.write(r, j, unread(j.generate(r.Context(), prompt, g)), g)
	}
	prompt, err := q.chat(r, j.model)
	if err == nil {
		g, err = prompt.OptionsContext(r.Context(), g)
	}
	if err != nil {
		return out.lines.fail(r, err)
	}
	out.context = prompt.Tokens
	return out.write(r, j, j.answer(r.Context(), prompt, g), g)
}
