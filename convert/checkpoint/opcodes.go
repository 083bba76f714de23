package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// A pickle is a program for a small stack machine, without jumps, so one pass over it sees every instruction that will run.
// checkPickle makes that pass before gopickle does, for the things gopickle cannot be told to refuse: it allocates what a length
// field asks for before it reads, it makes objects of a few hundred bytes out of single opcodes, and it has opcodes that a
// state dict never needs.

const (
	maxPickleBytes = 8 << 20 // a tensor takes about 200 bytes; some opcodes of one byte take 50 bytes of memory
	maxObjects     = 1 << 19 // containers and calls; a tensor takes about 8
	maxMarks       = 16      // open at the same time; a state dict needs 5
)

// opcode says what follows an opcode in the stream and what it does to memory.
type opcode struct {
	allowed bool
	arg     int  // bytes of its argument…
	length  bool // …which, if set, are the length of more bytes that follow
	lines   int  // or this many lines of text
	marks   int  // +1 if it opens a mark, −1 if it closes one
	object  bool // it makes an object or calls a class
}

// opcodes are those that picklers of protocols 1 to 5 use for dicts, lists, tuples, numbers, strings and objects.
var opcodes = [256]opcode{
	0x80: {allowed: true, arg: 1},                  // PROTO
	0x95: {allowed: true, arg: 8},                  // FRAME
	'.':  {allowed: true},                          // STOP
	'(':  {allowed: true, marks: +1},               // MARK
	'0':  {allowed: true},                          // POP
	'N':  {allowed: true},                          // NONE
	0x88: {allowed: true},                          // NEWTRUE
	0x89: {allowed: true},                          // NEWFALSE
	'I':  {allowed: true, lines: 1},                // INT, which bools are in protocol 1
	'K':  {allowed: true, arg: 1},                  // BININT1
	'M':  {allowed: true, arg: 2},                  // BININT2
	'J':  {allowed: true, arg: 4},                  // BININT
	0x8a: {allowed: true, arg: 1, length: true},    // LONG1
	'G':  {allowed: true, arg: 8},                  // BINFLOAT
	'U':  {allowed: true, arg: 1, length: true},    // SHORT_BINSTRING
	'T':  {allowed: true, arg: 4, length: true},    // BINSTRING
	0x8c: {allowed: true, arg: 1, length: true},    // SHORT_BINUNICODE
	'X':  {allowed: true, arg: 4, length: true},    // BINUNICODE
	0x8d: {allowed: true, arg: 8, length: true},    // BINUNICODE8
	')':  {allowed: true, object: true},            // EMPTY_TUPLE
	0x85: {allowed: true, object: true},            // TUPLE1
	0x86: {allowed: true, object: true},            // TUPLE2
	0x87: {allowed: true, object: true},            // TUPLE3
	't':  {allowed: true, object: true, marks: -1}, // TUPLE
	']':  {allowed: true, object: true},            // EMPTY_LIST
	'a':  {allowed: true},                          // APPEND
	'e':  {allowed: true, marks: -1},               // APPENDS
	'}':  {allowed: true, object: true},            // EMPTY_DICT
	's':  {allowed: true},                          // SETITEM
	'u':  {allowed: true, marks: -1},               // SETITEMS
	'q':  {allowed: true, arg: 1},                  // BINPUT
	'r':  {allowed: true, arg: 4},                  // LONG_BINPUT
	0x94: {allowed: true},                          // MEMOIZE
	'h':  {allowed: true, arg: 1},                  // BINGET
	'j':  {allowed: true, arg: 4},                  // LONG_BINGET
	'c':  {allowed: true, lines: 2, object: true},  // GLOBAL
	0x93: {allowed: true, object: true},            // STACK_GLOBAL
	'Q':  {allowed: true, object: true},            // BINPERSID
	'R':  {allowed: true, object: true},            // REDUCE
	'b':  {allowed: true},                          // BUILD
}

var errPickleCut = errors.New("ends too early")

// strayOpcode is the error for an opcode that is not allowed.
type strayOpcode struct {
	code byte
	pos  int
}

func (e strayOpcode) Error() string {
	return fmt.Sprintf("holds opcode 0x%02x at byte %d, which no state dict needs", e.code, e.pos)
}

// ofObjects reports whether it is one of those that make objects of classes and sets: INST, OBJ, NEWOBJ, NEWOBJ_EX, EXT1 to EXT4, EMPTY_SET, ADDITEMS and
// FROZENSET. A sound file may hold them. Others tell that it is damaged.
func (e strayOpcode) ofObjects() bool {
	return strings.IndexByte("io\x81\x92\x82\x83\x84\x8f\x90\x91", e.code) >= 0
}

// checkPickle returns an error unless gopickle can load the pickle p in bounded memory.
func checkPickle(p []byte) error {
	objects, marks := 0, 0
	for pos := 0; pos < len(p); {
		code := p[pos]
		op := opcodes[code]
		pos++
		if !op.allowed {
			return strayOpcode{code, pos - 1}
		}
		if code == '.' {
			return nil
		}
		if marks += op.marks; marks < 0 || marks > maxMarks {
			return fmt.Errorf("marks are not balanced at byte %d", pos-1)
		}
		if op.object {
			objects++
		}
		if objects > maxObjects {
			return fmt.Errorf("makes more than %d objects", maxObjects)
		}
		n, err := argumentSize(p[pos:], op)
		if err != nil {
			return err
		}
		if code == 'c' { // before what of the class follows: it may need what no state dict does
			module, name, _ := strings.Cut(string(p[pos:pos+n-1]), "\n")
			if _, err := findClass(module, name); err != nil {
				return err
			}
		}
		if code == 0x95 { // a frame's content follows it as ordinary opcodes; gopickle reads it in one piece
			if size := binary.LittleEndian.Uint64(p[pos:]); size > uint64(len(p)-pos-n) {
				return errPickleCut
			}
		}
		pos += n
	}
	return errPickleCut
}

// argumentSize returns how many bytes of p, which follows an opcode, belong to it.
func argumentSize(p []byte, op opcode) (int, error) {
	if op.lines > 0 {
		n := 0
		for lines := op.lines; lines > 0; n++ {
			if n == len(p) {
				return 0, errPickleCut
			}
			if p[n] == '\n' {
				lines--
			}
		}
		return n, nil
	}
	if op.arg > len(p) {
		return 0, errPickleCut
	}
	if !op.length {
		return op.arg, nil
	}
	var field [8]byte
	copy(field[:], p[:op.arg])
	if n := binary.LittleEndian.Uint64(field[:]); n <= uint64(len(p)-op.arg) {
		return op.arg + int(n), nil
	}
	return 0, errPickleCut
}
