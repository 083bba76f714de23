package convert

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"st/format"
	"st/quant"
)

// Loss is what a tensor lost by being stored as it is.
type Loss struct {
	Tensor  string
	Class   Class
	Layer   int // −1: none
	Type    quant.Type
	Weights int64
	Bytes   int64 // stored
	// SumSquares and SumErrors are Σ w² and Σ (w − ŵ)², where ŵ is what the file holds. MaxError is the largest |w − ŵ|.
	SumSquares, SumErrors, MaxError float64
	// Outliers are weights of more than [OutlierRMS] times the root mean square of their row.
	Outliers int64
}

// OutlierRMS is how far out an outlier is: of a million normally distributed weights one half is.
const OutlierRMS = 5

// RelativeRMS returns √(Σ (w − ŵ)² / Σ w²).
func (l *Loss) RelativeRMS() float64 {
	if l.SumSquares == 0 {
		return 0
	}
	return math.Sqrt(l.SumErrors / l.SumSquares)
}

// Bits returns the bits that a weight takes.
func (l *Loss) Bits() float64 { return 8 * float64(l.Bytes) / float64(max(1, l.Weights)) }

// Add adds what another tensor lost.
func (l *Loss) Add(o *Loss) {
	l.Weights += o.Weights
	l.Bytes += o.Bytes
	l.SumSquares += o.SumSquares
	l.SumErrors += o.SumErrors
	l.MaxError = max(l.MaxError, o.MaxError)
	l.Outliers += o.Outliers
}

// losses gathers what the goroutines that encode find; nil gathers nothing.
type losses struct {
	mu  sync.Mutex
	all map[string]*Loss
}

func newLosses() *losses { return &losses{all: map[string]*Loss{}} }

// add compares rows of a tensor with what they were encoded as: out begins at their first unit.
func (l *losses) add(t *format.Tensor, layer int, out []byte, rows []float32) {
	if l == nil {
		return
	}
	var sum Loss
	row := make([]float32, t.Cols)
	for r := 0; r*t.Cols < len(rows); r++ {
		x := rows[r*t.Cols : (r+1)*t.Cols]
		t.DecodeUnitRow(row, out[int64(r/t.UnitRows())*t.Stride:], r)
		part := compare(x, row)
		sum.Add(&part)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all[t.Name] == nil {
		l.all[t.Name] = &Loss{Tensor: t.Name, Class: classOf(t.Role), Layer: layer, Type: t.Type, Weights: t.Params(), Bytes: t.Bytes()}
	}
	loss := l.all[t.Name]
	loss.SumSquares += sum.SumSquares
	loss.SumErrors += sum.SumErrors
	loss.MaxError = max(loss.MaxError, sum.MaxError)
	loss.Outliers += sum.Outliers
}

// compare returns what a row lost.
func compare(x, y []float32) (l Loss) {
	for i, v := range x {
		d := math.Abs(float64(v) - float64(y[i]))
		l.SumSquares += float64(v) * float64(v)
		l.SumErrors += d * d
		l.MaxError = max(l.MaxError, d)
	}
	limit := OutlierRMS * math.Sqrt(l.SumSquares/float64(len(x)))
	for _, v := range x {
		if math.Abs(float64(v)) > limit {
			l.Outliers++
		}
	}
	return l
}

// sorted returns the losses, the largest first.
func (l *losses) sorted() []Loss {
	if l == nil {
		return nil
	}
	all := make([]Loss, 0, len(l.all))
	for _, t := range l.all {
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b Loss) int {
		return cmp.Or(cmp.Compare(b.RelativeRMS(), a.RelativeRMS()), cmp.Compare(a.Tensor, b.Tensor))
	})
	return all
}
