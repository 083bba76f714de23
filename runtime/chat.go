package runtime

import (
	"context"
	"fmt"
	"iter"
	"maps"
	goruntime "runtime"
	"slices"
	"sync"

	"st/tokenizer"
)

// Message is one turn of a conversation.
type Message = tokenizer.Message

// Chat is a conversation. Its KV cache is kept between turns: of a new turn only what is new is run, and if the chat template writes
// earlier turns otherwise than they were generated, what follows the first difference. A chat has one turn at a time; any number of chats
// of a model answer at the same time. Its other methods may be called at any time, also while it answers: what they change counts from
// the next turn on.
type Chat struct {
	model     *Model
	variables map[string]any
	tools     toolset

	mu       sync.Mutex
	system   []Message // what every conversation begins with
	messages []Message // system, and what was said since
	version  int       // counts changes of messages from outside
	forget   bool      // the next turn begins with an empty sequence
	reseed   bool      // the next turn begins with new random numbers
	closed   bool
	busy     bool // it answers; what follows belongs to who answers

	sequence *Sequence // nil: nothing was said yet
	held     rendering // what the sequence's tokens mean
	sampler  *Sampler  // of the turn before; nil: none
	cleanup  goruntime.Cleanup
}

// ChatOption says how a chat begins.
type ChatOption func(*Chat)

// System gives the chat a system message. An empty one is none.
func System(text string) ChatOption {
	return func(c *Chat) {
		if text != "" {
			c.system = append(c.system, Message{Role: "system", Content: text})
		}
	}
}

// History begins with what was said before.
func History(messages ...Message) ChatOption {
	return func(c *Chat) { c.messages = append(c.messages, messages...) }
}

// Variables gives the chat template further variables, such as enable_thinking.
func Variables(v map[string]any) ChatOption {
	return func(c *Chat) { c.variables = maps.Clone(v) }
}

// NewChat begins a conversation. Close it after use. If the model has no chat template, Send says so.
func (m *Model) NewChat(opts ...ChatOption) *Chat {
	c := &Chat{model: m}
	for _, o := range opts {
		o(c)
	}
	c.messages = append(slices.Clone(c.system), c.messages...)
	return c
}

// Close gives the chat's memory back. A chat that answers ends that with [ErrClosed]. A second Close does nothing. A chat that is dropped
// without Close is closed some time later.
func (c *Chat) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.sequence != nil {
		c.sequence.closing.Store(true)
		if !c.busy {
			c.release()
		}
	}
	return nil
}

// release gives the sequence back.
func (c *Chat) release() {
	c.cleanup.Stop()
	c.sequence.Close()
	c.sequence = nil
}

// Messages returns what was said, the system message included.
func (c *Chat) Messages() []Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.messages)
}

// SetMessages replaces what was said, system message included. What the KV cache has of it is not run again. The random numbers of the next
// turn begin anew.
func (c *Chat) SetMessages(messages ...Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.messages, c.version, c.reseed = slices.Clone(messages), c.version+1, true
}

// Reset forgets what was said, but for the system message. The window of the repeat penalty is empty then.
func (c *Chat) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.messages, c.version, c.forget = slices.Clone(c.system), c.version+1, true
}

// DropOldest forgets the oldest turn after the system message: a user's message and what answers it. It returns the number of messages
// that are gone; 0 if there are none that can go.
func (c *Chat) DropOldest() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	from := 0
	for from < len(c.messages) && c.messages[from].Role == "system" {
		from++
	}
	to := min(from+1, len(c.messages))
	for to < len(c.messages) && c.messages[to].Role != "user" {
		to++
	}
	if to > from {
		c.messages, c.version = slices.Delete(slices.Clone(c.messages), from, to), c.version+1
	}
	return to - from
}

// Send adds a user's message and generates the answer to it: see [Model.Generate] for the pieces. The answer becomes part of the
// conversation, also one that was cut short by a context that ended or by leaving the loop. If the message was not run to its end, it
// is not part of the conversation either: after [ErrContextFull] for example, when [Chat.DropOldest] makes room to send it again.
//
// While options are the same as in the turn before, the random numbers go on from there; a seed that is not given stays.
func (c *Chat) Send(ctx context.Context, text string, g Generate) iter.Seq2[Piece, error] {
	return c.SendMessages(ctx, []Message{{Role: "user", Content: text}}, g)
}

// SendMessages is Send with any messages, such as results of tools.
func (c *Chat) SendMessages(ctx context.Context, messages []Message, g Generate) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		said, version, err := c.begin()
		if err == nil {
			defer c.end()
			var answer *Message
			said = slices.Concat(said, messages)
			if answer, err = c.answer(ctx, said, g, yield); answer != nil {
				c.keep(append(said, *answer), version)
			}
		}
		if err != nil {
			yield(Piece{Token: noToken}, err)
		}
	}
}

// begin makes the chat busy, and returns what was said.
func (c *Chat) begin() (said []Message, version int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, 0, ErrClosed
	case c.busy:
		return nil, 0, ErrBusy
	}
	c.busy = true
	if c.forget {
		c.forget = false
		c.empty()
	}
	if c.reseed {
		c.reseed, c.sampler = false, nil
	}
	return c.messages, c.version, nil
}

// end ends a turn.
func (c *Chat) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy = false; c.closed && c.sequence != nil {
		c.release()
	}
}

// keep makes a turn part of the conversation, unless that was changed meanwhile.
func (c *Chat) keep(messages []Message, version int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.version == version {
		c.messages = messages
	}
}

// answer generates the next message of a conversation, and returns it if the prompt was run. Errors that it returns come before the first
// piece.
func (c *Chat) answer(ctx context.Context, said []Message, g Generate, yield func(Piece, error) bool) (*Message, error) {
	m := c.model
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	talk := c.conversation(said)
	rendered, err := m.render(ctx, talk)
	if err == nil {
		err = m.checkLength(rendered.text)
	}
	if err != nil {
		return nil, err
	}
	var reader *answerReader // nil: the answer is text
	if len(c.tools.offered()) > 0 {
		p := m.newChatPrompt(rendered, &talk.tools)
		if g, err = p.OptionsContext(ctx, g); err != nil {
			return nil, err
		}
		reader = p.newReader()
		yield = reader.wrap(yield)
	}
	if err := g.Lookup.check(); err != nil {
		return nil, err
	}
	within, err := m.constrain(ctx, &g, m.end)
	if err != nil {
		return nil, err
	}
	if err := c.open(); err != nil {
		return nil, err
	}
	kept, fresh, err := c.toRun(rendered, g.PromptLogProbs)
	if err != nil {
		return nil, err
	}
	if err := c.sample(&g, kept); err != nil {
		return nil, err
	}
	if kept < c.sequence.Len() {
		c.held = rendering{} // which no longer says what the tokens mean
	}
	if n := c.sequence.Truncate(kept); n < kept { // less than that could be kept
		kept, fresh = n, m.encodeChat(rendered)[n:]
	}
	w := writer{sequence: c.sequence, sampler: c.sampler, options: &g, yield: yield, grammar: within, ends: m.end}
	if !w.write(ctx, fresh) {
		if c.sequence.Truncate(kept) < kept {
			c.empty()
		}
		return nil, nil
	}
	c.held = rendered.add(m.tok.Decode(w.result.Tokens[:w.fed], false))
	if reader != nil {
		reader.close() // the caller may have left before the end
		return &reader.message, nil
	}
	return &Message{Role: "assistant", Content: w.result.Text}, nil
}

// toRun returns how many tokens of the sequence stay, and those to run after them. If all are run, none stays.
func (c *Chat) toRun(r rendering, all bool) (kept int, fresh []int32, err error) {
	m := c.model
	kept, fresh = c.compare(r)
	if all && kept > 0 {
		kept, fresh = 0, m.encodeChat(r)
	}
	if len(fresh) == 0 { // the tokenizer drops all of its text
		return 0, nil, fmt.Errorf("%s: %w", m.file.Path(), ErrTemplateEmpty)
	}
	if n := kept + len(fresh); n > m.Context() {
		return 0, nil, fmt.Errorf("%w: the conversation has %d tokens and the context %d", ErrContextFull, n, m.Context())
	}
	return kept, fresh, nil
}

// conversation is what was said, as the chat template gets it.
func (c *Chat) conversation(said []Message) *conversation {
	return &conversation{messages: said, variables: c.variables, tools: c.tools}
}

// open makes the sequence.
func (c *Chat) open() (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sequence != nil {
		return nil
	}
	if c.sequence, err = c.model.NewSequence(); err != nil {
		return err
	}
	c.sequence.closing.Store(c.closed)
	c.cleanup = goruntime.AddCleanup(c, func(q *Sequence) { q.Close() }, c.sequence)
	return nil
}

// sample chooses the sampler of a turn that goes on after so many of the sequence's tokens.
func (c *Chat) sample(g *Generate, kept int) (err error) {
	o := g.Sampling(&c.model.file.Generation)
	if g.Seed == nil && c.sampler != nil {
		o.Seed = c.sampler.opts.Seed
	}
	same := c.sampler != nil && c.sampler.opts.Equal(o)
	if same && kept == c.sequence.Len() {
		return nil
	}
	if !same {
		if c.sampler, err = c.model.sampler(o); err != nil {
			return err
		}
	}
	c.sampler.Forget()
	for _, id := range c.sequence.tokens[max(0, kept-repeatWindow):kept] {
		c.sampler.Accept(id)
	}
	return nil
}

// compare returns how many of the sequence's tokens a conversation begins with, and the tokens after them: at least one, unless the
// conversation has none at all.
func (c *Chat) compare(rendered rendering) (kept int, fresh []int32) {
	// What was generated need not be how the tokenizer would write the same text: the text decides, if all of it is there.
	if rest, ok := rendered.cut(c.held); ok {
		if fresh = c.model.encodeChat(rest); len(fresh) > 0 {
			return c.sequence.Len(), fresh
		}
	}
	ids := c.model.encodeChat(rendered)
	held := c.sequence.tokens
	for kept < min(len(held), len(ids)-1) && held[kept] == ids[kept] {
		kept++
	}
	return kept, ids[kept:]
}

// empty empties the sequence.
func (c *Chat) empty() {
	c.held = rendering{}
	if c.sequence != nil {
		c.sequence.Truncate(0)
	}
	if c.sampler != nil {
		c.sampler.Forget()
	}
}
