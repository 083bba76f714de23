package runtime

import (
	"context"
	"encoding/json"
	"fmt"
	goruntime "runtime"
	"slices"
)

// chatNote is what a file of a chat has besides the sequence. Message of an older version reads in a newer one.
type chatNote struct {
	Messages []Message `json:"messages"`
	// Text and Breaks are what the sequence's tokens mean.
	Text   string `json:"text"`
	Breaks []int  `json:"breaks,omitempty"`
}

// valid reports whether the breaks ascend and lie within the text, as the tokenizer needs them: a file may come from anywhere.
func (n *chatNote) valid() bool {
	return slices.IsSorted(n.Breaks) && (len(n.Breaks) == 0 || n.Breaks[0] >= 0 && n.Breaks[len(n.Breaks)-1] <= len(n.Text))
}

// Save writes the conversation with its KV cache to a file, which [Model.LoadChat] reads. The file is complete or not there, and an older one is
// replaced. A chat that answers gives [ErrBusy].
func (c *Chat) Save(path string) error {
	said, _, err := c.begin()
	if err != nil {
		return err
	}
	defer c.end()
	if err := c.open(); err != nil {
		return err
	}
	note, err := json.Marshal(chatNote{said, c.held.text, c.held.breaks})
	if err != nil {
		return err
	}
	return c.sequence.Save(path, note)
}

// LoadChat goes on with a conversation that [Chat.Save] wrote: nothing of it is run again. A system message of opts replaces the one that it has.
// The errors are those of [Model.LoadSequence]: after [ErrContextFull] there is [Model.ReadChat].
func (m *Model) LoadChat(ctx context.Context, path string, opts ...ChatOption) (*Chat, error) {
	q, s, err := m.LoadSequence(ctx, path)
	if err != nil {
		return nil, err
	}
	c, err := m.savedChat(path, s, opts)
	if err != nil {
		q.Close()
		return nil, err
	}
	c.sequence = q
	c.cleanup = goruntime.AddCleanup(c, func(q *Sequence) { q.Close() }, q)
	return c, nil
}

// ReadChat is LoadChat without the KV cache, so the conversation may be longer than the context: the next turn runs all of it again, or gives
// [ErrContextFull] until [Chat.DropOldest] has made room. The other errors are those of [Model.ReadSnapshot].
func (m *Model) ReadChat(path string, opts ...ChatOption) (*Chat, error) {
	s, err := m.ReadSnapshot(path)
	if err != nil {
		return nil, err
	}
	c, err := m.savedChat(path, s, opts)
	if err == nil {
		c.held = rendering{}
	}
	return c, err
}

// savedChat returns the chat of a file, without its sequence.
func (m *Model) savedChat(path string, s *Snapshot, opts []ChatOption) (*Chat, error) {
	var note chatNote
	if err := json.Unmarshal(s.Note, &note); err != nil || !note.valid() {
		return nil, fmt.Errorf("%s %w: there is no conversation in it", path, ErrSnapshotCorrupt)
	}
	c := m.NewChat(opts...)
	said := note.Messages
	isSystem := func(m Message) bool { return m.Role == "system" }
	if len(c.system) > 0 {
		said = append(slices.Clone(c.system), slices.DeleteFunc(said, isSystem)...)
	} else {
		for _, m := range said {
			if !isSystem(m) {
				break
			}
			c.system = append(c.system, m)
		}
	}
	c.messages, c.held = said, rendering{note.Text, note.Breaks}
	return c, nil
}
