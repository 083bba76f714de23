package server

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"slices"

	"st/runtime"
	"st/runtime/toolcall"
)

// chatRequest is the body of /v1/chat/completions.
type chatRequest struct {
	openAISampling
	Messages            []json.RawMessage `json:"messages"`
	MaxCompletionTokens *int              `json:"max_completion_tokens"`
	LogProbs            bool              `json:"logprobs"`
	TopLogProbs         *int              `json:"top_logprobs"`
	ReasoningEffort     string            `json:"reasoning_effort"`
	Variables           templateVariables `json:"chat_template_kwargs"`  // vLLM's and llama.cpp's name
	GenerationPrompt    *bool             `json:"add_generation_prompt"` // theirs, too; as if true
	Tools               []json.RawMessage `json:"tools"`
	ToolChoice          json.RawMessage   `json:"tool_choice"`
	ParallelToolCalls   *bool             `json:"parallel_tool_calls"`
	Functions           json.RawMessage   `json:"functions"`
	FunctionCall        json.RawMessage   `json:"function_call"`
	Modalities          []string          `json:"modalities"`
	WebSearch           json.RawMessage   `json:"web_search_options"`
}

// generate returns what the request asks for.
func (q *chatRequest) generate(read formats) (g runtime.Generate, err error) {
	if g, err = q.openAISampling.generate(read); err != nil {
		return g, err
	}
	if g.MaxTokens, err = maxTokens("max_completion_tokens", q.MaxCompletionTokens, g.MaxTokens); err != nil {
		return g, err
	}
	switch {
	case len(q.Functions) > 0 && !isOff(q.Functions, 0):
		return g, badField("functions", "it is not supported: use tools")
	case len(q.FunctionCall) > 0 && !isOff(q.FunctionCall, 0):
		return g, badField("function_call", "it is not supported: use tool_choice")
	case slices.ContainsFunc(q.Modalities, func(m string) bool { return m != "text" }):
		return g, badField("modalities", "the models answer with text only")
	case len(q.WebSearch) > 0:
		return g, badField("web_search_options", "it is not supported")
	case q.TopLogProbs != nil && *q.TopLogProbs != 0 && !q.LogProbs:
		return g, badField("top_logprobs", "it needs logprobs")
	case q.TopLogProbs != nil && (*q.TopLogProbs < 0 || *q.TopLogProbs > maxTopLogProbs):
		return g, badField("top_logprobs", fmt.Sprintf("it is %d and must be between 0 and %d", *q.TopLogProbs, maxTopLogProbs))
	case q.TopLogProbs != nil:
		g.TopLogProbs = *q.TopLogProbs
	}
	g.LogProbs = q.LogProbs
	return g, nil
}

// options returns what the chat template is told besides messages. begun says that the answer has begun: that needs the beginning of its turn in any case.
func (q *chatRequest) options(begun bool) ([]runtime.ChatOption, error) {
	tools, err := readTools(q.Tools, false)
	if err != nil {
		return nil, err
	}
	choice, err := readToolChoice(q.ToolChoice, q.ParallelToolCalls, tools, false)
	variables := withEffort(q.ReasoningEffort, q.Variables)
	if q.GenerationPrompt != nil && !begun {
		variables["add_generation_prompt"] = *q.GenerationPrompt
	}
	return []runtime.ChatOption{runtime.Variables(variables), runtime.Tools(tools...), runtime.ChooseTools(choice)}, err
}

// templateVariables are variables of the chat template, as the request has them: a template may write a number, or an object in the order of its keys.
type templateVariables map[string]json.RawMessage

// withEffort adds to the variables of the chat template that the model is not to think, if the effort is none. Templates have no other degrees.
func withEffort(effort string, variables templateVariables) map[string]any {
	all := map[string]any{}
	if effort == "none" {
		all["enable_thinking"] = false
	}
	for name, v := range variables {
		all[name] = v
	}
	return all
}

// chatCompletion is an answer, or a part of one if it is streamed.
type chatCompletion struct {
	ID      string        `json:"id"`
	Object  string        `json:"object"`
	Created int64         `json:"created"`
	Model   string        `json:"model"`
	Choices []*chatChoice `json:"choices"`
	Usage   *openAIUsage  `json:"usage,omitempty"`
}

type chatChoice struct {
	Index        int           `json:"index"`
	Message      *chatAnswer   `json:"message,omitempty"` // the whole of it
	Delta        *chatDelta    `json:"delta,omitempty"`   // or a part
	LogProbs     *chatLogProbs `json:"logprobs"`
	FinishReason *string       `json:"finish_reason"`
}

type chatAnswer struct {
	Role      string     `json:"role"`
	Content   *string    `json:"content"` // null if there are only calls
	Refusal   null       `json:"refusal"`
	Reasoning string     `json:"reasoning_content,omitempty"`
	ToolCalls []chatCall `json:"tool_calls,omitempty"`
}

type chatDelta struct {
	Role      string     `json:"role,omitempty"`
	Content   *string    `json:"content,omitempty"`
	Reasoning string     `json:"reasoning_content,omitempty"`
	ToolCalls []chatCall `json:"tool_calls,omitempty"`
}

// chatCall is a call of a function, or a part of one: then only the first has id, type and name.
type chatCall struct {
	Index    *int   `json:"index,omitempty"`
	ID       string `json:"id,omitempty"`
	Type     string `json:"type,omitempty"`
	Function struct {
		Name      string `json:"name,omitempty"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// newChatAnswer returns a whole answer.
func newChatAnswer(m *runtime.Message) *chatAnswer {
	a := &chatAnswer{Role: "assistant", Content: &m.Content, Reasoning: m.Reasoning}
	if m.Content == "" && len(m.ToolCalls) > 0 {
		a.Content = nil
	}
	for _, t := range m.ToolCalls {
		c := chatCall{ID: t.ID, Type: "function"}
		c.Function.Name, c.Function.Arguments = t.Name, t.Arguments
		a.ToolCalls = append(a.ToolCalls, c)
	}
	return a
}

// newChatDelta returns a part of an answer; nil if there is nothing to tell.
func newChatDelta(d *toolcall.Delta) *chatDelta {
	c := chatCall{Index: &d.Call}
	switch d.Kind {
	case toolcall.Content:
		return &chatDelta{Content: &d.Text}
	case toolcall.Reasoning:
		return &chatDelta{Reasoning: d.Text}
	case toolcall.Begin:
		c.ID, c.Type, c.Function.Name = d.ID, "function", d.Text
	case toolcall.Arguments:
		c.Function.Arguments = d.Text
	default:
		return nil
	}
	return &chatDelta{ToolCalls: []chatCall{c}}
}

// chatFinish is why an answer ended: also that tools are to be called, which a model tells by ending its text.
func chatFinish(r *runtime.Result) string {
	if reason := finishReason(r); reason != "stop" || len(r.Message.ToolCalls) == 0 {
		return reason
	}
	return "tool_calls"
}

type chatLogProbs struct {
	Content []chatLogProb `json:"content"`
	Refusal null          `json:"refusal"`
}

type chatLogProb struct {
	tokenLogProb
	Top []tokenLogProb `json:"top_logprobs"`
}

type tokenLogProb struct {
	Token   string  `json:"token"`
	LogProb logProb `json:"logprob"`
	Bytes   []int   `json:"bytes"`
}

// add adds a token's probabilities, if there are any.
func (c *chatChoice) add(m *runtime.Model, p *runtime.Piece) {
	entry := chatLogProb{newTokenLogProb(m, p.Token, p.LogProb), []tokenLogProb{}}
	for _, t := range p.Top {
		entry.Top = append(entry.Top, newTokenLogProb(m, t.Token, t.LogProb))
	}
	if c.LogProbs == nil {
		c.LogProbs = &chatLogProbs{}
	}
	c.LogProbs.Content = append(c.LogProbs.Content, entry)
}

func newTokenLogProb(m *runtime.Model, id int32, p float64) tokenLogProb {
	text := m.Tokenizer().Text(id)
	return tokenLogProb{text, logProb(p), byteValues(text)}
}

// byteValues returns the bytes of a text as JSON's numbers.
func byteValues(text string) []int {
	bytes := make([]int, len(text))
	for i := range len(text) {
		bytes[i] = int(text[i])
	}
	return bytes
}

// read reads a body, and returns what the model reads: messages, the text with which the answer is to begin, and options of the template.
func (q *chatRequest) read(body []byte) (messages []runtime.Message, prefill string, options []runtime.ChatOption, err error) {
	if err = decode(body, q, ""); err == nil {
		messages, prefill, err = readMessages(q.Messages, false)
	}
	if err == nil {
		options, err = q.options(len(messages) < len(q.Messages))
	}
	return messages, prefill, options, err
}

// chatCompletions answers /v1/chat/completions.
func (s *Server) chatCompletions(w http.ResponseWriter, r *http.Request, body []byte) error {
	var q chatRequest
	messages, prefill, options, err := q.read(body)
	if err != nil {
		return err
	}
	g, err := q.generate(s.formatsOf(r.Context()))
	if err != nil {
		return err
	}
	e := &events{w: w}
	defer e.end()
	if q.Stream {
		s.keepAwake(e)
	}
	j, err := s.begin(r.Context(), q.Model, nil)
	if err != nil {
		return e.fail(r, err)
	}
	defer j.end()
	j.fresh = q.fresh()
	prompt, err := chatPrompt(r.Context(), j.model, messages, prefill, options...)
	if err == nil {
		g, err = prompt.OptionsContext(r.Context(), g)
	}
	if err != nil {
		return e.fail(r, err)
	}
	each := func(ctx context.Context, i int) iter.Seq2[runtime.Piece, error] {
		return j.answer(ctx, prompt, choice(g, i))
	}
	answer := chatCompletion{ID: answerID("chatcmpl-"), Object: "chat.completion", Created: now(), Model: j.name}
	if q.Stream {
		answer.Object = "chat.completion.chunk"
		return streamChat(e, r, j, &q, g.LogProbs, answer, each)
	}
	return wholeChat(w, r, j, &q, g.LogProbs, answer, each)
}

// wholeChat answers with all choices at once.
func wholeChat(w http.ResponseWriter, r *http.Request, j *job, q *chatRequest, probabilities bool, answer chatCompletion, each oneChoice) error {
	answer.Usage = &openAIUsage{}
	for i := range q.choices() {
		answer.Choices = append(answer.Choices, &chatChoice{Index: i})
	}
	var probs logProbs
	for p, err := range j.choices(r.Context(), q.choices(), false, each) {
		if err == nil && probabilities {
			err = probs.add(&p.Piece, "logprobs")
		}
		if err != nil {
			return err
		}
		switch c := answer.Choices[p.choice]; {
		case p.Done != nil:
			answer.Usage.add(p.Done, p.choice)
			c.Message, c.FinishReason = newChatAnswer(p.Done.Message), new(chatFinish(p.Done))
		case probabilities:
			c.add(j.model, &p.Piece)
		}
	}
	j.end()
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// streamChat answers with events: each has a part of a choice.
func streamChat(e *events, r *http.Request, j *job, q *chatRequest, probabilities bool, chunk chatCompletion, each oneChoice) error {
	usage := &openAIUsage{}
	send := func(c *chatChoice) bool {
		chunk.Choices = []*chatChoice{c}
		if q.StreamOptions.IncludeUsage { // it comes with the last one
			return e.send("", struct {
				chatCompletion
				Usage null `json:"usage"`
			}{chatCompletion: chunk})
		}
		return e.send("", chunk)
	}
	begun := make([]bool, q.choices())
	for p, err := range j.choices(r.Context(), q.choices(), false, each) {
		if err != nil {
			return e.fail(r, err)
		}
		i := p.choice
		if !begun[i] {
			begun[i] = true
			if !send(&chatChoice{Index: i, Delta: &chatDelta{Role: "assistant", Content: new("")}}) {
				return nil
			}
		}
		for _, c := range chatChunks(j.model, &p.Piece, probabilities) {
			c.Index = i
			if !send(c) {
				return nil
			}
		}
		if p.Done != nil {
			usage.add(p.Done, i)
			if !send(&chatChoice{Index: i, Delta: &chatDelta{}, FinishReason: new(chatFinish(p.Done))}) {
				return nil
			}
		}
	}
	if q.StreamOptions.IncludeUsage {
		chunk.Choices, chunk.Usage = []*chatChoice{}, usage
		if !e.send("", chunk) {
			return nil
		}
	}
	e.done()
	return nil
}

// chatChunks returns what a piece tells. Its token's probabilities come with the first part, or alone if the text comes later.
func chatChunks(m *runtime.Model, p *runtime.Piece, probabilities bool) (chunks []*chatChoice) {
	for i := range p.Deltas {
		if d := newChatDelta(&p.Deltas[i]); d != nil {
			chunks = append(chunks, &chatChoice{Delta: d})
		}
	}
	if probabilities && p.Done == nil {
		if len(chunks) == 0 {
			chunks = []*chatChoice{{Delta: &chatDelta{Content: new("")}}}
		}
		chunks[0].add(m, p)
	}
	return chunks
}

// fail ends a stream with an error of OpenAI's form. One that comes before the stream has begun is returned.
func (e *events) fail(r *http.Request, err error) error {
	if !e.end() {
		return err
	}
	a := failed(r, err)
	if e.send("", newOpenAIError(a)) {
		e.done()
	}
	return nil
}
