package editor

// mode is what a terminal does with keys and output.
type mode int

const (
	modeNormal mode = iota // what it was before
	modeQuiet              // keys are not shown; Ctrl-C and Ctrl-Z are signals
	modeRead               // all keys are read as they are
)

// With bracketed paste a terminal marks what is pasted: see pasteBegin.
const (
	bracketedPasteOn  = "\x1b[?2004h"
	bracketedPasteOff = "\x1b[?2004l"
)
