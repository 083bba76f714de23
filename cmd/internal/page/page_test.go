package page

import (
	"regexp"
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	evil := `<script>alert("1")</script>`
	p := Page{
		Title: evil, Subtitle: "s", Footer: evil,
		Tiles: []Tile{{"parameters", "4.3 B", evil}},
		Sections: []Section{{
			Title: "Layers", Text: evil, Picture: "<svg></svg>", Keys: []Key{{3, evil}},
			Table: &Table{Heads: []Head{{evil, false}, {"bytes", true}}, Rows: [][]Cell{{{Text: evil}, {"1 KiB", 1024}}}},
		}},
	}
	var b strings.Builder
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if strings.Contains(text, evil) {
		t.Error("text of the file is taken for markup")
	}
	for _, want := range []string{"<svg></svg>", `data-v="1024"`, "--series-3", "prefers-color-scheme: dark"} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s", want)
		}
	}
	// It must work offline.
	if m := regexp.MustCompile(`(?i)(https?:)?//[a-z]|@import|url\(|<link|src=`).FindString(text); m != "" {
		t.Errorf("the page refers to something outside: %s", m)
	}
}
