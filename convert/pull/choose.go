package pull

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"st/convert"
	"st/convert/hub"
	"st/quant"
)

// Sentinel errors.
var (
	// ErrNoModel is about a repository without weights that can be read.
	ErrNoModel = errors.New("has no weights that can be read")
	// ErrQuant is about a type of GGUF files that the repository has not, or that several of its files have.
	ErrQuant = errors.New("has no one GGUF file of that type")
	// ErrNoGGUF is about a type of GGUF files that is asked of a repository which has none of any type.
	ErrNoGGUF = errors.New("has no GGUF files, of which :TYPE would choose one")
	// ErrKeepFirst is about weights that cannot be converted while they come.
	ErrKeepFirst = errors.New("has to be downloaded before it is converted")
	// ErrDisk is about a disk that has too little room.
	ErrDisk = errors.New("there is too little room on the disk")
)

// splitSuffix is the end of the name of a file of a set.
var splitSuffix = regexp.MustCompile(`-(\d{5})-of-(\d{5})$`)

// ggufChoice is a GGUF file, or the first of a set.
type ggufChoice struct {
	path  string
	quant string // as it is called in the name; "": not at all
}

// quantName is how names of GGUF files tell their type.
var quantName = regexp.MustCompile(`(?i)(?:^|[-._/])((?:UD-)?(?:I?Q\d+(?:_[A-Z0-9]+)*|TQ\d_\d|MXFP4(?:_MOE)?|BF16|F16|FP16|F32|FP32))(?:$|[-._/])`)

// ggufFiles returns the models among the GGUF files: not what llama.cpp fetches beside them, which is told by its name (a projector of images, an
// importance matrix, a head that predicts several tokens). MTP elsewhere in a name is of a model that has such a head in it.
func ggufFiles(files []hub.File) (all []ggufChoice) {
	for _, f := range files {
		stem, ok := strings.CutSuffix(f.Path, ".gguf")
		base := strings.ToLower(path.Base(stem))
		if !ok || strings.Contains(base, "mmproj") || strings.Contains(base, "imatrix") || strings.HasPrefix(base, "mtp-") {
			continue
		}
		if m := splitSuffix.FindStringSubmatch(stem); m != nil {
			if m[1] != "00001" {
				continue
			}
			stem = strings.TrimSuffix(stem, m[0])
		}
		c := ggufChoice{path: f.Path}
		// Quantizations may follow each other in a name, as in QAT.Q4_0: the last one counts.
		for rest := stem; ; {
			m := quantName.FindStringSubmatchIndex(rest)
			if m == nil {
				break
			}
			c.quant = typeName(rest[m[2]:m[3]])
			rest = rest[m[3]:]
		}
		all = append(all, c)
	}
	return all
}

// typeName is how the type of GGUF files is called here: F16 is FP16 in some names.
func typeName(text string) string {
	name := strings.ToUpper(text)
	if bits, ok := strings.CutPrefix(name, "FP"); ok {
		name = "F" + bits
	}
	return name
}

// bestSources are types of GGUF files to make another type of, the best first.
var bestSources = []string{"F32", "BF16", "F16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q5_1", "Q5_0", "Q4_K_M", "Q4_K_S", "Q4_1", "Q4_0",
	"IQ4_NL", "IQ4_XS", "Q3_K_L", "Q3_K_M", "Q3_K_S", "Q2_K"}

// choose returns the GGUF file that is to be converted, "" for a checkpoint, and whether the file has the type that is asked for.
func choose(repo *hub.Repository, opts *convert.Options) (file string, same bool, err error) {
	all := ggufFiles(repo.Files)
	if repo.Ref.Quant == "" {
		kind := checkpointKind(repo.Files)
		switch {
		case kind == ".safetensors", kind == ".bin" && len(all) == 0:
			return "", false, nil
		case len(all) == 0 && slices.ContainsFunc(repo.Files, func(f hub.File) bool { return strings.HasPrefix(f.Path, "adapter_model.") }):
			return "", false, fmt.Errorf("%s %w: it is a LoRA adapter, which changes a model and is none", repo.ID, ErrNoModel)
		case len(all) == 0:
			what := "neither .safetensors nor .gguf"
			if i := slices.IndexFunc(repo.Files, func(f hub.File) bool { return path.Ext(f.Path) == ".safetensors" && strings.Contains(f.Path, "/") }); i >= 0 {
				what = fmt.Sprintf("they lie in folders, as %s does, and those beside config.json are read", repo.Files[i].Path)
			}
			return "", false, fmt.Errorf("%s %w: %s", repo.ID, ErrNoModel, what)
		}
	}
	if len(all) == 0 {
		return "", false, fmt.Errorf("%s %w", repo.ID, ErrNoGGUF)
	}
	wanted := typeName(cmp.Or(repo.Ref.Quant, opts.Type.String()))
	fitting := slices.DeleteFunc(slices.Clone(all), func(c ggufChoice) bool {
		base := path.Base(c.path)
		return c.quant != wanted && !strings.EqualFold(base, repo.Ref.Quant) && !strings.EqualFold(base, repo.Ref.Quant+".gguf")
	})
	if len(fitting) == 0 && repo.Ref.Quant != "" { // Q4_K_XL means UD-Q4_K_XL, as llama.cpp reads it
		fitting = slices.DeleteFunc(slices.Clone(all), func(c ggufChoice) bool { return c.quant != "UD-"+wanted })
	}
	if len(fitting) == 0 && repo.Ref.Quant == "" {
		rank := func(c ggufChoice) int {
			if i := slices.Index(bestSources, c.quant); i >= 0 {
				return i
			}
			return len(bestSources)
		}
		best := slices.MinFunc(all, func(a, b ggufChoice) int { return cmp.Compare(rank(a), rank(b)) })
		if rank(best) == len(bestSources) && len(all) > 1 {
			return "", false, fmt.Errorf("%s %w: %s", repo.ID, ErrQuant, quants(all))
		}
		fitting = []ggufChoice{best}
	}
	if len(fitting) > 1 { // PowerInfer's own files lie beside plain ones
		plain := slices.DeleteFunc(slices.Clone(fitting), func(c ggufChoice) bool { return strings.Contains(strings.ToLower(c.path), "powerinfer") })
		if len(plain) > 0 {
			fitting = plain
		}
	}
	if len(fitting) > 1 {
		all = fitting
		for i := range all {
			all[i].quant = "" // they are told apart by their names
		}
	}
	if len(fitting) != 1 {
		return "", false, fmt.Errorf("%s %w, %s: it has %s", repo.ID, ErrQuant, wanted, quants(all))
	}
	typ, known := quant.Type(0), false
	if t, err := quant.ParseType(strings.ToLower(fitting[0].quant)); err == nil {
		typ, known = t, true
	}
	return fitting[0].path, known && typ == opts.Type, nil
}

// quants names what there is.
func quants(all []ggufChoice) string {
	var names []string
	for _, c := range all {
		name := c.quant
		if name == "" {
			name = path.Base(c.path) // by which it can be asked for, too
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if more := len(names) - 24; more > 0 {
		names = append(names[:24], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// checkpointKind tells what the weights of a checkpoint are: ".safetensors", ".bin" of torch, or "" if there are none.
func checkpointKind(files []hub.File) (kind string) {
	for _, f := range files {
		if strings.Contains(f.Path, "/") || strings.HasPrefix(f.Path, "adapter_") {
			continue
		}
		switch strings.ToLower(path.Ext(f.Path)) {
		case ".safetensors":
			return ".safetensors"
		case ".bin", ".pth":
			if !strings.HasPrefix(f.Path, "training_args") {
				kind = ".bin"
			}
		}
	}
	return kind
}
