package convert

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	goruntime "runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"st/convert/gguf"
	"st/format"
	"st/format/outfile"
	"st/quant"
)

// ExportOptions say how [Export] writes.
type ExportOptions struct {
	// Down is the type of the down matrices that have to be turned if theirs is one of blocks; nil: theirs.
	Down *quant.Type
	// Threads is the number of goroutines; 0 means one per CPU.
	Threads int
	// Force allows an existing target to be replaced.
	Force bool
	// Progress, if not nil, is told how many bytes of the model's weights were written, of how many. Calls come from several goroutines.
	Progress func(done, total int64)
	// Create makes the output file; nil makes one on disk.
	Create func(path string) (format.OutFile, error)
}

// ExportResult tells what Export made.
type ExportResult struct {
	Tensors                  int
	SourceBytes, OutputBytes int64 // sizes of the files
	Elapsed                  time.Duration
	Notes                    []string // what the user should know
}

// Export writes the model in the .stm file src as the GGUF file dst, for llama.cpp. Numbers stay as they are, but for one thing: .stm files hold the down
// matrices of ReGLU experts by neuron, and GGUF files by output, so that those of block types are decoded, turned and quantized again. The result's
// notes tell of that. What llama.cpp does not run is refused, with [ErrExport]. As with [Run] the target appears complete or not at all. Memory
// is bounded by a few experts for each thread.
func Export(ctx context.Context, src, dst string, opts ExportOptions) (*ExportResult, error) {
	begin := time.Now()
	r, err := format.Open(src)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	e := &exporter{model: r, opts: opts, result: &ExportResult{SourceBytes: r.Size()}}
	if err := e.plan(); err != nil {
		return nil, fmt.Errorf("%s: %w", src, err)
	}
	if r.Config.HeadPredictorRank > 0 {
		e.note("the predictor of the head is left out: llama.cpp refuses tensors that it does not know")
	}
	metadata, err := e.metadata(dst)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src, err)
	}
	layout, err := gguf.NewLayout(metadata, e.infos)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src, err)
	}
	e.offsets = layout.Offsets
	if e.out, err = outfile.Create(dst, outfile.Options{Replace: opts.Force, Inputs: []string{src}, Open: opts.Create}); err != nil {
		return nil, err
	}
	defer e.out.Abort()
	if err := e.writeAt(layout.Header, 0); err != nil {
		return nil, err
	}
	if err := e.writeAt([]byte{0}, layout.Size-1); err != nil { // padding, or a byte that is written once more
		return nil, err
	}
	for _, v := range e.extra {
		var data []byte
		for _, x := range v.values {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(x)))
		}
		if err := e.writeAt(data, e.offsets[v.info]); err != nil {
			return nil, err
		}
	}
	if err := e.write(ctx); err != nil {
		return nil, interrupted(err)
	}
	if err := e.out.Commit(); err != nil {
		return nil, err
	}
	for _, l := range e.out.Leftovers() {
		e.note("%s, %d bytes that a run which was killed had left behind, was removed", l.Path, l.Bytes)
	}
	info, err := os.Stat(dst)
	if err != nil {
		return nil, err
	}
	e.result.Tensors, e.result.OutputBytes, e.result.Elapsed = len(e.infos), info.Size(), time.Since(begin)
	return e.result, nil
}

// exporter writes a model as a GGUF file.
type exporter struct {
	model  *format.Reader
	opts   ExportOptions
	result *ExportResult

	infos   []gguf.Info
	offsets []int64
	parts   []exportPart
	extra   []exportVector
	turned  map[[2]quant.Type]int // matrices that are quantized again, by both types

	mu   sync.Mutex // of out and done
	out  *outfile.File
	done int64
}

// exportPart is a tensor of the model, and where it goes: an expert's is one part of the tensor of all experts.
type exportPart struct {
	source modelTensor
	info   int // of exporter.infos
	row    int // of the whole tensor's rows, where its own begin
}

// exportVector is a tensor that is part of the config.
type exportVector struct {
	info   int
	values []float64
}

func (e *exporter) note(format string, args ...any) {
	e.result.Notes = append(e.result.Notes, fmt.Sprintf(format, args...))
}

// plan lists the tensors and what they are made from.
func (e *exporter) plan() error {
	e.turned = map[[2]quant.Type]int{}
	w, err := newModelWeights(e.model)
	if err != nil {
		return err
	}
	c := &e.model.Config
	a, err := architectureOf(c)
	if err != nil {
		return err
	}
	for _, t := range a.tensors {
		if t.role.PerLayer() {
			continue
		}
		if _, _, ok := e.model.Role(t.role, -1); !ok && t.role == format.RoleHead && c.TiedEmbeddings {
			continue
		}
		if err := e.add(w, t.role, -1, 0); err != nil {
			return err
		}
	}
	for l := range c.Layers {
		for _, t := range a.tensors {
			experts := 0
			switch {
			case !t.role.PerLayer():
				continue
			case t.perExpert():
				if !c.HasExperts(l) {
					continue
				}
				experts = c.MoE.Experts
			case !hasRole(c, t.role, l):
				continue
			}
			if err := e.add(w, t.role, l, experts); err != nil {
				return err
			}
		}
	}
	if s := c.RoPEScaling; s != nil && s.Type == format.LongRoPE {
		for _, v := range []struct {
			name   string
			values []float64
		}{{gguf.LongFactors, s.LongFactors}, {gguf.ShortFactors, s.ShortFactors}} {
			e.extra = append(e.extra, exportVector{len(e.infos), v.values})
			e.infos = append(e.infos, gguf.Info{Name: v.name, Shape: []int{len(v.values)}, Type: gguf.F32})
		}
	}
	e.noteTurned()
	return nil
}

// add lists a tensor of a role: of a layer, or −1, and of all its experts together, if there are any. A tensor that a GGUF file of the architecture has in
// one piece with others follows those.
func (e *exporter) add(w *modelWeights, role format.Role, layer, experts int) error {
	info := -1
	for x := range max(1, experts) {
		k := key{role, layer, x}
		if experts == 0 {
			k.expert = -1
		}
		t, ok := w.lookup(k)
		if !ok {
			return fmt.Errorf("tensor %s %w", w.nameOf(k), ErrMissing)
		}
		m := t.(modelTensor)
		typ := e.typeOf(m)
		if m.Transposed() && m.t.Type.Block() > 1 {
			e.turned[[2]quant.Type{m.t.Type, typ}]++
		}
		shape, name, row := m.Shape(), gguf.Name{Role: role, Layer: layer, Experts: experts > 0}.String(), 0
		if f := gguf.FusedOf(e.model.Config.Architecture, role); f != nil {
			name = f.Name(layer)
			if role != f.Roles[0] { // it follows the last one
				info = len(e.infos) - 1
				row = e.infos[info].Shape[0]
				e.infos[info].Shape = []int{row + shape[0], shape[1]}
			}
		}
		if experts > 0 {
			shape, row = append([]int{experts}, shape...), x*shape[0]
		}
		if info < 0 {
			info = len(e.infos)
			e.infos = append(e.infos, gguf.Info{Name: name, Shape: shape, Type: gguf.TypeOf(typ)})
		}
		if e.infos[info].Type != gguf.TypeOf(typ) {
			return fmt.Errorf("tensor %s is %s, and others of its layer are %s: %w: a GGUF file has one type for all", m.Name(), typ, e.infos[info].Type, ErrExport)
		}
		e.parts = append(e.parts, exportPart{m, info, row})
	}
	return nil
}

// noteTurned notes which down matrices get other blocks.
func (e *exporter) noteTurned() {
	for _, from := range quant.Types() {
		for _, to := range quant.Types() {
			n := e.turned[[2]quant.Type{from, to}]
			if n == 0 {
				continue
			}
			how := "quantized a second time, to "
			if to.Block() == 1 {
				how = "stored as "
			}
			e.note("%d down matrices are %s in blocks of one neuron each, and llama.cpp wants blocks of one output: %s%s", n, from, how, to)
		}
	}
}

// typeOf returns the type that a tensor gets.
func (e *exporter) typeOf(m modelTensor) quant.Type {
	if !m.Transposed() || m.t.Type.Block() == 1 {
		return m.t.Type
	}
	t := m.t.Type
	if e.opts.Down != nil {
		t = *e.opts.Down
	}
	return stored(t, m.Rows())
}

func (e *exporter) writeAt(data []byte, at int64) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, err := e.out.WriteAt(data, at)
	return err
}

// write writes the tensors. An expert's are written by one goroutine, one after the other, so that its record is read and checked once; other
// records are checked apart from that, since they are read in pieces.
func (e *exporter) write(ctx context.Context) error {
	var total int64
	for i := range e.parts {
		total += e.parts[i].source.Bytes()
	}
	jobs := map[*format.Record][]exportPart{}
	var order []*format.Record
	for _, p := range e.parts {
		if jobs[p.source.record] == nil {
			order = append(order, p.source.record)
		}
		jobs[p.source.record] = append(jobs[p.source.record], p)
	}
	threads := e.opts.Threads
	if threads <= 0 {
		threads = goruntime.GOMAXPROCS(0)
	}
	work := make(chan *format.Record)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(work)
		for _, r := range order {
			select {
			case work <- r:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range threads {
		group.Go(func() error {
			x := exportWorker{exporter: e, quant: quant.Encoder{Search: true}}
			for r := range work {
				if !r.IsExpert() {
					if err := e.model.VerifyRecord(ctx, nil, r); err != nil {
						return err
					}
				}
				for _, p := range jobs[r] {
					if err := x.part(ctx, p, total); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// exportWorker is one of the goroutines that write, with buffers of its own.
type exportWorker struct {
	*exporter
	quant                  quant.Encoder
	buf                    readBuffer
	rows, turned           []float32
	quants, scales, blocks []byte
}

// part writes a tensor, or an expert's part of one.
func (x *exportWorker) part(ctx context.Context, p exportPart, total int64) error {
	info, m := &x.infos[p.info], p.source
	cols := info.Shape[len(info.Shape)-1]
	rowBytes := info.Type.RowBytes(cols)
	rows := int(m.t.Params() / int64(cols))
	at := x.offsets[p.info] + int64(p.row)*int64(rowBytes)
	typ, _ := info.Type.Quant()
	if m.Transposed() {
		x.rows, x.turned = grow(&x.rows, rows*cols), grow(&x.turned, rows*cols)
		if err := m.Read(x.rows, 0, m.Rows(), &x.buf); err != nil {
			return err
		}
		transpose(x.turned, x.rows, m.Rows(), m.Cols(), m.Rows())
	}
	atOnce := max(1, chunkBytes/rowBytes)
	for row := 0; row < rows; row += atOnce {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(atOnce, rows-row)
		quants, scales := grow(&x.quants, n*typ.QuantBytes(cols)), grow(&x.scales, n*typ.ScaleBytes(cols))
		if m.Transposed() {
			x.quant.Encode(typ, quants, scales, x.turned[row*cols:][:n*cols])
		} else if err := m.ReadBlocks(quants, scales, row, n, &x.buf); err != nil {
			return err
		}
		data := quants
		if len(scales) > 0 {
			data = grow(&x.blocks, n*rowBytes)
			gguf.JoinBlocks(info.Type, data, quants, scales)
		}
		if err := x.writeAt(data, at+int64(row)*int64(rowBytes)); err != nil {
			return err
		}
	}
	x.mu.Lock()
	x.done += m.Bytes()
	done := x.done
	x.mu.Unlock()
	if x.opts.Progress != nil {
		x.opts.Progress(done, total)
	}
	return nil
}
