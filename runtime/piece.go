package runtime

import (
	"time"

	"st/runtime/toolcall"
)

// Piece is a part of a text that is being generated.
type Piece struct {
	// Text is what has come, in whole characters. It may be empty: when a token is a part of a character, or may be the beginning of a
	// stop text.
	Text string
	// Token is the token that was drawn; −1 in the last piece, which is of none.
	Token int32
	// Prompt says that the token is the prompt's: the piece has no text, and LogProb is the probability of that token after those before
	// it. The first one has no probability: it is NaN.
	Prompt bool
	// LogProb is the logarithm of the token's probability, by the model's logits alone, before penalties and temperature; and Top are
	// the likeliest tokens, the likeliest first. They are there if they were asked for. In the last piece they are those of
	// Result.EndToken.
	LogProb float64
	Top     []TokenLogProb
	// Deltas are what Text is read as, in a chat with tools and by [ChatPrompt.Read]: content, reasoning and calls. They may come later than
	// Text.
	Deltas []toolcall.Delta
	// Done is in the last piece only: how the text came to be.
	Done *Result
}

// noToken is the token of a piece that has none.
const noToken = -1

// TokenLogProb is a token and the logarithm of its probability.
type TokenLogProb struct {
	Token   int32
	LogProb float64
}

// StopReason is why a text ended.
type StopReason string

// The reasons.
const (
	StopEOS         StopReason = "eos"         // the model ended it
	StopText        StopReason = "stop"        // one of Generate.Stop came
	StopLength      StopReason = "length"      // Generate.MaxTokens or Generate.MaxTime
	StopContext     StopReason = "context"     // the context is full
	StopInterrupted StopReason = "interrupted" // by the caller's context, or by leaving the loop
)

// Result is how a text came to be.
type Result struct {
	Stop     StopReason
	StopText string  // the one of Generate.Stop that came
	Text     string  // all of it
	Tokens   []int32 // that were drawn, without the one that ended the text

	// Message is the answer, in a chat with tools and by [ChatPrompt.Read]: what it says, what it thought, and the tools that it calls.
	// ReasoningTokens is how many tokens it thought.
	Message         *Message
	ReasoningTokens int

	// EndToken is the token that ended the text, with StopEOS; −1: none did.
	EndToken int32

	// PromptTokens are those that were run, and CachedTokens those before them that the chat held already.
	PromptTokens, CachedTokens int
	// Decoded is the number of tokens that were run after the prompt, one by one but for those that a grammar forces.
	Decoded int

	// ForcedTokens is how many of Tokens were not drawn, because Generate.Grammar allowed no other text. They are run together with the token
	// before them.
	ForcedTokens int
	// Drafted is how many tokens were guessed and checked, and Accepted how many of those were right: see [Lookup].
	Drafted, Accepted int
	// Unfinished says that the text is not one of Generate.Grammar's, but the beginning of one: with StopLength for example.
	Unfinished bool

	PromptTime time.Duration // for the prompt
	DecodeTime time.Duration // after the first token
	FirstToken time.Duration // from the beginning to the first token; 0: there was none

	Seed    uint64
	KVBytes int64 // that the KV cache of the sequence takes
}

// PromptSpeed returns tokens of the prompt per second; 0 if it was not run to its end.
func (r *Result) PromptSpeed() float64 { return speed(r.PromptTokens, r.PromptTime) }

// DecodeSpeed returns tokens per second after the prompt; 0 if there were none.
func (r *Result) DecodeSpeed() float64 { return speed(r.Decoded, r.DecodeTime) }

func speed(tokens int, t time.Duration) float64 {
	if tokens == 0 || t == 0 {
		return 0
	}
	return float64(tokens) / t.Seconds()
}
