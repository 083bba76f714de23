package ckpttest

import (
	"bytes"
	"encoding/binary"
	"math"
)

// pickler emits the opcodes that Python's pickler emits at protocol 2, the default of torch.save: every object but a number,
// None or a bool is put into the memo, and strings and classes that are met again come out of it.
type pickler struct {
	bytes.Buffer
	memo map[string]int // index of strings and classes
	next int            // free index of the memo
}

var storageClasses = map[string]string{
	"F32": "FloatStorage", "F16": "HalfStorage", "BF16": "BFloat16Storage", "F64": "DoubleStorage",
	"I64": "LongStorage", "I32": "IntStorage", "U8": "ByteStorage",
}

// batch is how many entries of a dict are set at once.
const batch = 1000

// statePickle returns the pickle of the state dict of tensors, which are views of the storages in of.
func statePickle(tensors []Tensor, of []*storage, opts *TorchOptions) []byte {
	p := &pickler{memo: make(map[string]int)}
	p.WriteString("\x80\x02") // PROTO 2
	if opts.Wrap != "" {
		p.WriteString("}") // EMPTY_DICT
		p.put()
		p.str(opts.Wrap)
	}
	p.orderedDict()
	for len(tensors) > 0 {
		n := min(batch, len(tensors))
		if n > 1 {
			p.WriteString("(") // MARK
		}
		for i, t := range tensors[:n] {
			p.str(t.Name)
			p.tensor(t, of[i], opts)
		}
		if n > 1 {
			p.WriteString("u") // SETITEMS
		} else {
			p.WriteString("s") // SETITEM
		}
		tensors, of = tensors[n:], of[n:]
	}
	// Module.state_dict leaves the versions of the modules in an attribute: {"_metadata": OrderedDict({"": {"version": 1}})}.
	p.WriteString("}")
	p.put()
	p.str("_metadata")
	p.orderedDict()
	p.str("")
	p.WriteString("}")
	p.put()
	p.str("version")
	p.int(1)
	p.WriteString("sssb") // SETITEM three times, BUILD
	if opts.Wrap != "" {
		p.WriteString("s")
	}
	p.WriteString(".") // STOP
	return p.Bytes()
}

// tensor emits the call torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks).
func (p *pickler) tensor(t Tensor, s *storage, opts *TorchOptions) {
	if opts.Parameters {
		p.class("torch._utils", "_rebuild_parameter")
		p.WriteString("(")
	}
	p.class("torch._utils", "_rebuild_tensor_v2")
	p.WriteString("((")
	p.str("storage")
	p.class("torch", storageClasses[t.DType])
	p.str(s.key)
	p.str("cpu")
	p.int(len(s.data))
	p.WriteString("t") // TUPLE
	p.put()
	p.WriteString("Q") // BINPERSID
	p.int(t.Offset)
	p.ints(t.Shape)
	p.ints(t.strides())
	p.WriteString("\x89") // NEWFALSE
	p.orderedDict()
	p.call()
	if opts.Parameters {
		p.WriteString("\x88") // NEWTRUE
		p.orderedDict()
		p.call()
	}
}

// call ends a tuple of arguments and calls the function below it.
func (p *pickler) call() {
	p.WriteString("t")
	p.put()
	p.WriteString("R") // REDUCE
	p.put()
}

func (p *pickler) orderedDict() {
	p.class("collections", "OrderedDict")
	p.WriteString(")R") // EMPTY_TUPLE, REDUCE
	p.put()
}

// put stores the top of the stack in the memo.
func (p *pickler) put() {
	if p.next <= math.MaxUint8 {
		p.Write([]byte{'q', byte(p.next)}) // BINPUT
	} else {
		p.WriteByte('r') // LONG_BINPUT
		p.uint32(p.next)
	}
	p.next++
}

// recall pushes what the memo holds under key, and reports whether it holds anything; if not, the caller pushes it, and the
// next put is taken to be its.
func (p *pickler) recall(key string) bool {
	i, ok := p.memo[key]
	switch {
	case !ok:
		p.memo[key] = p.next
	case i <= math.MaxUint8:
		p.Write([]byte{'h', byte(i)}) // BINGET
	default:
		p.WriteByte('j') // LONG_BINGET
		p.uint32(i)
	}
	return ok
}

func (p *pickler) class(module, name string) {
	text := "c" + module + "\n" + name + "\n" // GLOBAL; its text is also its key, which no string can equal
	if !p.recall(text) {
		p.WriteString(text)
		p.put()
	}
}

func (p *pickler) str(s string) {
	if !p.recall("X" + s) {
		p.WriteByte('X') // BINUNICODE
		p.uint32(len(s))
		p.WriteString(s)
		p.put()
	}
}

func (p *pickler) int(n int) {
	switch {
	case n >= 0 && n <= math.MaxUint8:
		p.Write([]byte{'K', byte(n)}) // BININT1
	case n >= 0 && n <= math.MaxUint16:
		p.Write([]byte{'M', byte(n), byte(n >> 8)}) // BININT2
	case n >= math.MinInt32 && n <= math.MaxInt32:
		p.WriteByte('J') // BININT
		p.uint32(n)
	default:
		p.Write([]byte{0x8a, 8}) // LONG1
		p.Write(binary.LittleEndian.AppendUint64(nil, uint64(n)))
	}
}

// ints emits a tuple.
func (p *pickler) ints(v []int) {
	if len(v) > 3 {
		p.WriteString("(")
	}
	for _, n := range v {
		p.int(n)
	}
	switch len(v) {
	case 0:
		p.WriteString(")") // EMPTY_TUPLE, which is never put into the memo
		return
	case 1, 2, 3:
		p.WriteByte(0x84 + byte(len(v))) // TUPLE1 … TUPLE3
	default:
		p.WriteString("t")
	}
	p.put()
}

func (p *pickler) uint32(n int) { p.Write(binary.LittleEndian.AppendUint32(nil, uint32(n))) }
