package hub

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// hubPage is how addresses of pages on Hugging Face begin, also as clients of Ollama write them: hf.co/ORG/NAME:QUANT.
var hubPage = regexp.MustCompile(`^(?i)(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/`)

// modelScopePage is how those on ModelScope begin, where pages are below models/.
var modelScopePage = regexp.MustCompile(`^(?i)(?:https?://)?(?:www\.)?modelscope\.(?:cn|ai)/(?:models/)?`)

// IsPage reports whether a text begins as the address of a page of a service.
func IsPage(text string) bool { return hubPage.MatchString(text) || modelScopePage.MatchString(text) }

// ParsePage reads what [ParseRef] reads, and the address of a repository's page, or of that of one of its files, with or without https://:
//
//	https://huggingface.co/ORG/NAME                   ORG/NAME
//	https://huggingface.co/ORG/NAME/tree/REV          ORG/NAME@REV
//	https://huggingface.co/ORG/NAME/blob/REV/F.gguf   ORG/NAME:F@REV, also /resolve/ and /raw/
//	hf.co/ORG/NAME:QUANT                              ORG/NAME:QUANT
//	https://modelscope.cn/models/ORG/NAME             ms://ORG/NAME
//
// The branch main is meant without @REV, as the tag latest of Ollama's names is without :QUANT. Errors, as about a page of a data set or of a
// discussion, wrap [ErrRef].
func ParsePage(text string) (Ref, error) {
	if host := hubPage.FindString(text); host != "" {
		text = ofPage(text[len(host):])
	} else if host := modelScopePage.FindString(text); host != "" {
		text = "ms://" + ofPage(modelScopePath(text[len(host):]))
	}
	ref, err := ParseRef(strings.TrimSuffix(text, ":latest"))
	ref.Quant = strings.TrimSuffix(ref.Quant, ".gguf") // which the tag of a name cannot have
	return ref, err
}

// ofPage makes what [ParseRef] reads of the path of a page: ORG/NAME/tree/REV is ORG/NAME@REV, and ORG/NAME/blob/REV/FILE.gguf is
// ORG/NAME:FILE.gguf@REV. Another path stays as it is.
func ofPage(page string) string {
	if i := strings.IndexAny(page, "?#"); i >= 0 {
		page = page[:i]
	}
	page = strings.Trim(page, "/")
	parts := strings.Split(page, "/")
	if len(parts) < 4 || !slices.Contains([]string{"tree", "blob", "resolve", "raw"}, parts[2]) || parts[2] == "tree" && len(parts) > 4 {
		return page
	}
	ref := parts[0] + "/" + parts[1]
	if path.Ext(page) == ".gguf" {
		ref += ":" + path.Base(page)
	}
	if revision, err := url.PathUnescape(parts[3]); err == nil && revision != "main" { // which every repository has, and is meant without @REV
		ref += "@" + revision
	}
	return ref
}

// modelScopePath makes the path of a page on ModelScope what that of the same page on Hugging Face is.
func modelScopePath(page string) string {
	if i := strings.IndexAny(page, "?#"); i >= 0 {
		page = page[:i]
	}
	page = strings.TrimRight(page, "/")
	for _, tab := range []string{"/summary", "/files"} {
		page = strings.TrimSuffix(page, tab)
	}
	return modelScopeFile.Replace(page)
}

// modelScopeFile makes addresses of files those of Hugging Face. The branch that every repository has is called master.
var modelScopeFile = strings.NewReplacer("/file/view/master/", "/blob/main/", "/resolve/master/", "/resolve/main/", "/file/view/", "/blob/")
