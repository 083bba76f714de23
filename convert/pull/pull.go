package pull

import (
	"context"
	"errors"
	"time"

	"st/convert"
	"st/convert/hub"
)

// What a file that is not complete is called, and the journal beside it: the file's own name with these behind it.
const (
	Suffix        = ".part"
	JournalSuffix = ".part.journal"
)

// Options say how a model is pulled.
type Options struct {
	// Convert says what the file is made like. Its Create and Progress are not used.
	Convert convert.Options
	// Client is whom to ask; nil: one that the environment describes.
	Client *hub.Client
	// Keep downloads the repository's files into the Hub's cache, where other programs find them too, and converts them from there.
	Keep bool
	// Progress, if not nil, is told how far it is, some times a second and at every change of Stage. Calls come one at a time.
	Progress func(Progress)
	// Note, if not nil, is told what a person should know before it is done: that an interrupted run goes on, that the server makes us wait.
	Note func(text string)
}

// Stage is a part of the work.
type Stage string

// The stages, in their order. Not every run has all of them.
const (
	Resolving  Stage = "resolving"  // the repository's files and their hashes
	Resuming   Stage = "resuming"   // what an interrupted run had made is checked
	Pulling    Stage = "pulling"    // bytes come and are converted
	Converting Stage = "converting" // of files that are on the disk already
	Finishing  Stage = "finishing"  // the file is brought to the disk and gets its name
	Done       Stage = "done"
)

// Progress tells how far a pull is.
type Progress struct {
	Stage Stage
	// Done of Total bytes of the source are there, those of earlier runs counted in.
	Done, Total int64
	// Rate is in bytes per second, of the last seconds; 0: not known.
	Rate float64
	// Left is about the time until all bytes are there; 0: not known.
	Left time.Duration
	// File is the file of the repository that is being read, and What the tensor of it that is being converted.
	File, What string
	// Connections is the number of requests that are under way.
	Connections int
}

// Result tells what Model made.
type Result struct {
	*convert.Result
	Ref    hub.Ref
	Commit string // that the revision stands for; "" if the service has none
	// Downloaded is the number of bytes of weights that came over the network in this run.
	Downloaded int64
	// Resumed is the number of bytes of the source that an interrupted run had done.
	Resumed int64
}

// Model makes the file out of the model that ref names. It appears when it is complete: until then it has the name with [Suffix].
func Model(ctx context.Context, ref hub.Ref, out string, opts Options) (*Result, error) {
	return nil, errors.ErrUnsupported
}
