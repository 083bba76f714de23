package convert

import (
	"fmt"
	"strings"
	"sync"

	"st/convert/calibration"
	"st/format"
	"st/quant"
)

// Encoder is a way to find the blocks of Q4_0 for given weights.
type Encoder uint8

// The encoders, from the fastest to the best.
const (
	RTN    Encoder = iota // round to nearest, as ggml's reference does
	Search                // the scale of least squared error, by importance if there is a calibration
	GPTQ                  // errors are made up for by other weights: see [quant.GPTQ]
)

var encoderNames = []string{"rtn", "search", "gptq"}

func (e Encoder) String() string { return encoderNames[e] }

// ParseEncoder returns the encoder of that name.
func ParseEncoder(name string) (Encoder, error) {
	for i, n := range encoderNames {
		if strings.EqualFold(name, n) {
			return Encoder(i), nil
		}
	}
	return 0, fmt.Errorf("it must be one of %s", strings.Join(encoderNames, ", "))
}

// statistics are what the encoders need to know of each tensor's inputs. Goroutines share them.
type statistics struct {
	calibration *calibration.Statistics // nil: none
	gptq        bool

	mu    sync.Mutex
	known []*factor // the last ones that were needed
}

// factor is prepared once for all tensors that are multiplied with the same inputs.
type factor struct {
	input string
	once  sync.Once
	gptq  *quant.GPTQ
	err   error
}

// maxFactors bounds how many are kept: each takes four bytes for every pair of columns. Records come in the order of layers, so
// that few are in use at a time.
const maxFactors = 3

func newStatistics(opts Options) *statistics {
	return &statistics{calibration: opts.Calibration, gptq: opts.Encoder == GPTQ}
}

// set gives the encoder what is known of the inputs of a tensor of a record. A tensor that is stored transposed has rows that are all
// multiplied with one number each.
func (s *statistics) set(e *quant.Encoder, r *format.Record, t *format.Tensor) error {
	e.Importance, e.GPTQ = nil, nil
	if s.calibration == nil || t.Type != quant.Q4_0 || t.Transposed {
		return nil
	}
	place := calibration.PlaceOf(t.Role, r.Layer, r.Expert)
	e.Importance = normalize(s.calibration.Importance(place))
	input := place.Name
	if !s.gptq || !s.calibration.HasCovarianceOf(input) {
		return nil
	}
	f := s.factor(input)
	f.once.Do(func() {
		covariance, err := s.calibration.Covariance(input)
		if f.err = err; err != nil {
			return
		}
		if f.gptq, err = quant.NewGPTQ(covariance, t.Cols); err != nil {
			f.err = fmt.Errorf("%s: covariance of %s: %w: calibrate again", s.calibration.Name, input, err)
		}
	})
	e.GPTQ = f.gptq
	return f.err
}

// normalize returns v divided by its mean; nil if it counts nothing.
func normalize(v []float32) []float32 {
	var sum float64
	for _, f := range v {
		sum += float64(f)
	}
	if sum == 0 {
		return nil
	}
	n := make([]float32, len(v))
	for i, f := range v {
		n[i] = float32(float64(f) * float64(len(v)) / sum)
	}
	return n
}

func (s *statistics) factor(input string) *factor {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.known {
		if f.input == input {
			return f
		}
	}
	f := &factor{input: input}
	if s.known = append(s.known, f); len(s.known) > maxFactors {
		s.known = s.known[1:]
	}
	return f
}
