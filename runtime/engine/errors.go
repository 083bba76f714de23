package engine

import "errors"

// Sentinel errors, wrapped with what led to them.
var (
	// ErrClosed is returned by every method of an engine, and of its sessions, after Close.
	ErrClosed = errors.New("the model is closed")
	// ErrContextFull is returned by Forward when the sequence would be longer than the engine's context.
	ErrContextFull = errors.New("the context is full")
	// ErrMemory is about a memory budget that is too small, for the model or for one more sequence.
	ErrMemory = errors.New("the memory budget is too small")
	// ErrUnsupported is about a model whose architecture this program does not run.
	ErrUnsupported = errors.New("the architecture is not supported")
	// ErrNoExperts is about what only a model with experts has.
	ErrNoExperts = errors.New("the model is dense: it has no experts")
	// ErrExpertsPerToken is about a number of experts for a token that the model does not have.
	ErrExpertsPerToken = errors.New("the number of experts for a token is out of range")
	// ErrToken is about an id of a token that the vocabulary does not have.
	ErrToken = errors.New("the vocabulary has no such token")
	// ErrNotSaved is about a KV cache that [Session.Save] did not write.
	ErrNotSaved = errors.New("is not what a session of this model saves")
	// ErrFile is about a model file that cannot be read any more: it was truncated or replaced, or its disk failed, while it was in use.
	ErrFile = errors.New("the model file cannot be read any more: it was truncated, replaced or its disk failed while it was in use")
)
