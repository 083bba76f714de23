package runtime

import (
	"errors"

	"st/runtime/engine"
	"st/tokenizer"
)

// Errors of this package, to be found with [errors.Is]. The error that is returned names the file and the figures.
var (
	// ErrClosed is the error of every method that runs the model, or keeps memory of it, after Close. Texts can still be encoded.
	ErrClosed = engine.ErrClosed

	// ErrUnsupported says that the model's architecture is not one that this package runs.
	ErrUnsupported = engine.ErrUnsupported

	// ErrNoExperts is the error of what only models with experts have.
	ErrNoExperts = engine.ErrNoExperts
	// ErrNoPredictor is about a model that has no predictor of its language-model head.
	ErrNoPredictor = engine.ErrNoPredictor

	// ErrFile says that the model's file cannot be read any more: it was truncated or replaced, or its disk failed.
	ErrFile = engine.ErrFile

	// ErrBusy is the error of a [Chat] that is asked while it answers: a conversation has one turn at a time.
	ErrBusy = errors.New("the chat is answering")

	// ErrContextFull says that prompt or conversation do not fit in the context. Nothing was run.
	ErrContextFull = engine.ErrContextFull

	// ErrMemory says that Options.Memory is less than the model needs. The error tells how much that is.
	ErrMemory = engine.ErrMemory

	// ErrNoTokenizer is the error of what needs text, with a file whose checkpoint had no tokenizer. Logits and GenerateTokens work.
	ErrNoTokenizer = errors.New("the model has no tokenizer, because its checkpoint had none")

	// ErrNoTemplate is the error of a chat with a model that has no chat template: a base model, usually.
	ErrNoTemplate = errors.New("the model has no chat template")

	// ErrNoInfill is the error of filling a gap with a model whose vocabulary has no tokens for it.
	ErrNoInfill = errors.New("the model cannot fill a gap in a text: its vocabulary has no tokens such as <|fim_prefix|>, <|fim_suffix|> and <|fim_middle|>")

	// ErrTemplate is wrapped when the chat template refuses a conversation, such as one with roles in an order that the model was not
	// trained on, or does not work at all.
	ErrTemplate = errors.New("the chat template failed")

	// ErrTemplateEmpty says that the chat template writes nothing for a conversation: there is nothing to continue.
	ErrTemplateEmpty = tokenizer.ErrEmptyPrompt

	// ErrTools is wrapped by errors about tools that no model can be told of, such as two of one name.
	ErrTools = errors.New("the tools are wrong")

	// ErrEmptyPrompt says that a prompt has no tokens, and that the model has none that begins a text.
	ErrEmptyPrompt = errors.New("the prompt is empty, and the model has no token that begins a text")

	// ErrToken is about an id of a token that the vocabulary does not have.
	ErrToken = engine.ErrToken

	// ErrOption is wrapped by errors about an option that is out of range.
	ErrOption = errors.New("an option is out of range")

	// ErrGrammar is wrapped by errors about Generate.Grammar: see package runtime/grammar.
	ErrGrammar = errors.New("the grammar cannot be followed")

	// ErrUnfinished says that a text ended before its grammar did: Generate.MaxTokens or the context are too small.
	ErrUnfinished = errors.New("the text ends before its grammar")

	// ErrNotFinite says that the model's logits are NaN or infinite: they say nothing.
	ErrNotFinite = errors.New("the model's logits are not finite: its weights are damaged or not finite")
)

// as makes err one of the errors above, too. What it says stays.
func as(kind, err error) error { return &kindError{kind, err} }

type kindError struct{ kind, err error }

func (e *kindError) Error() string   { return e.err.Error() }
func (e *kindError) Unwrap() []error { return []error{e.err, e.kind} }
