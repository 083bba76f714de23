package convert

import (
	"st/format"
	"st/format/outfile"
	"st/quant"
)

// Survey tells what a conversion is going to make, before it begins.
type Survey struct {
	Config      format.Config
	OutputBytes int64 // about the size of the file
	// Searched is the number of tensors whose blocks of Q4_0 are to be found: those that [GPTQ] compensates, if there are covariances of their
	// inputs. It is 0 if nothing becomes Q4_0 that was not.
	Searched int
}

// SurveyRun tells what [Run] is going to make, and fails if it would fail at once.
func SurveyRun(src, dst string, opts Options) (*Survey, error) {
	s, err := surveyRun(src, dst, opts)
	if err != nil {
		return nil, Diagnose(src, err)
	}
	return s, nil
}

func surveyRun(src, dst string, opts Options) (*Survey, error) {
	in, err := openInput(src, &opts)
	if err != nil {
		return nil, err
	}
	defer in.close()
	opts.inputs = in.files()
	if err := outfile.Check(dst, opts.output()); err != nil {
		return nil, err
	}
	m, err := in.read()
	if err != nil {
		return nil, err
	}
	return survey(&m.meta, m.weights, &opts)
}

// SurveyQuantize tells what [Quantize] is going to make, and fails if it would fail at once.
func SurveyQuantize(src, dst string, opts Options) (*Survey, error) {
	r, err := format.Open(src)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	opts.inputs = []string{src}
	if err := outfile.Check(dst, opts.output()); err != nil {
		return nil, err
	}
	weights, err := newModelWeights(r)
	if err != nil {
		return nil, err
	}
	meta := withoutPredictor(r.Meta, &opts)
	return survey(&meta, weights, &opts)
}

func survey(meta *format.Meta, w weights, opts *Options) (*Survey, error) {
	p, err := newPlan(&meta.Config, w, &opts.Recipe)
	if err != nil {
		return nil, err
	}
	s := &Survey{Config: meta.Config, OutputBytes: int64(len(meta.Tokenizer) + len(meta.ChatTemplate))}
	for i := range p.records {
		for j := range p.records[i].Tensors {
			t := &p.records[i].Tensors[j]
			s.OutputBytes += t.Bytes()
			if from, known := p.sources[i][j].Type(); t.Type == quant.Q4_0 && !t.Transposed && !(known && from == quant.Q4_0) {
				s.Searched++
			}
		}
	}
	return s, nil
}

// SourceFiles returns the paths of the files that [Run] reads.
func SourceFiles(src string) ([]string, error) {
	in, err := openInput(src, &Options{})
	if err != nil {
		return nil, Diagnose(src, err)
	}
	defer in.close()
	return in.files(), nil
}
