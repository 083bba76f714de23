package pull

import (
	"context"
	"path"
	"regexp"
	"strings"

	"st/convert"
	"st/convert/hub"
)

// needed returns the files of a repository that a conversion reads.
func (p *pull) needed(ctx context.Context, repo *hub.Repository, file string) ([]*hub.File, error) {
	var all []*hub.File
	add := func(name string) {
		if f, ok := repo.Lookup(name); ok {
			all = append(all, f)
		}
	}
	files := newRepoFiles(ctx, repo)
	if file == "" && checkpointKind(repo.Files) == ".bin" {
		for _, f := range repo.Files {
			if !strings.Contains(f.Path, "/") && (smallFile.MatchString(f.Path) || torchFile.MatchString(f.Path)) {
				add(f.Path)
			}
		}
		return all, nil
	}
	s, err := convert.OpenStream(files, files.path(file), convert.StreamOptions{Options: withoutGPTQ(p.Convert)})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	for _, f := range repo.Files {
		if file == "" && (smallFile.MatchString(f.Path) || strings.HasPrefix(f.Path, "additional_chat_templates/")) {
			add(f.Path)
		}
	}
	for _, name := range s.WeightFiles() {
		if in, ok := files.inRepo(name); ok && !smallFile.MatchString(path.Base(in)) {
			add(in)
		}
	}
	return all, nil
}

// smallFile are those that a conversion reads besides weights, and torchFile the names of torch weights.
var (
	smallFile = regexp.MustCompile(`^[^/]+\.(json|jinja|txt)$`)
	torchFile = regexp.MustCompile(`\.(bin|pth)$|^model_lm_head\.pt$`)
)

// withoutGPTQ has nothing that needs a calibration, which changes no file that is read.
func withoutGPTQ(o convert.Options) convert.Options {
	o.Encoder, o.Calibration = convert.Search, nil
	return o
}
