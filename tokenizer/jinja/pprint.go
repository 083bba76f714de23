package jinja

import (
	"slices"
	"strings"
	"unicode/utf8"
)

const pprintWidth = 80

// pprint is Python's pprint.pformat: repr with the keys of dicts sorted, over
// several lines if one is too long.
func (in *interp) pprint(v any) string {
	p := &printer{in: in}
	p.value(in.sortDicts(v), 0, 0, 0)
	return p.w.String()
}

// sortDicts returns v with the keys of all dicts sorted.
func (in *interp) sortDicts(v any) any {
	in.enterData()
	defer in.leaveData()
	sortItems := func(items []any) []any {
		in.items(len(items))
		sorted := make([]any, len(items))
		for i, item := range items {
			sorted[i] = in.sortDicts(item)
		}
		return sorted
	}
	switch v := v.(type) {
	case *list:
		return &list{sortItems(v.items)}
	case *tuple:
		return &tuple{items: sortItems(v.items)}
	case *dict:
		entries := slices.Clone(v.entries)
		slices.SortStableFunc(entries, func(a, b entry) int {
			in.step(1)
			_, textA := text(a.key)
			_, textB := text(b.key)
			_, _, numberA := compareNumbers(a.key, a.key)
			_, _, numberB := compareNumbers(b.key, b.key)
			if textA && textB || numberA && numberB {
				switch {
				case in.less(a.key, b.key, "<"):
					return -1
				case in.less(b.key, a.key, "<"):
					return 1
				}
				return 0
			}
			return strings.Compare(typeName(a.key), typeName(b.key))
		})
		d := &dict{}
		for _, e := range entries {
			in.set(d, e.key, in.sortDicts(e.value))
		}
		return d
	}
	return v
}

type printer struct {
	in *interp
	w  strings.Builder
}

func (p *printer) write(s string) {
	p.in.alloc(len(s))
	p.in.checkSize(&p.w)
	p.w.WriteString(s)
}

// value writes v in a line that is indented and has to leave room for allowance
// more characters.
func (p *printer) value(v any, indent, allowance, level int) {
	rep := p.in.repr(v)
	if utf8.RuneCountInString(rep) > pprintWidth-indent-allowance {
		switch v := v.(type) {
		case *list:
			p.items("[", v.items, "]", indent, allowance, level+1)
			return
		case *tuple:
			closing := ")"
			if len(v.items) == 1 {
				closing = ",)"
			}
			p.items("(", v.items, closing, indent, allowance, level+1)
			return
		case *dict:
			p.dict(v, indent, allowance, level+1)
			return
		case string:
			p.text(v, indent, allowance, level+1)
			return
		}
	}
	p.write(rep)
}

func (p *printer) items(opening string, items []any, closing string, indent, allowance, level int) {
	p.write(opening)
	allowance += len(closing)
	indent++
	for i, item := range items {
		if i > 0 {
			p.write(",\n" + strings.Repeat(" ", indent))
		}
		room := 1
		if i == len(items)-1 {
			room = allowance
		}
		p.value(item, indent, room, level)
	}
	p.write(closing)
}

func (p *printer) dict(d *dict, indent, allowance, level int) {
	p.write("{")
	allowance++
	indent++
	for i, e := range d.entries {
		if i > 0 {
			p.write(",\n" + strings.Repeat(" ", indent))
		}
		key := p.in.repr(e.key)
		p.write(key + ": ")
		room := 1
		if i == len(d.entries)-1 {
			room = allowance
		}
		p.value(e.value, indent+utf8.RuneCountInString(key)+2, room, level)
	}
	p.write("}")
}

// text writes a long string as several, one a line.
func (p *printer) text(s string, indent, allowance, level int) {
	if level == 1 {
		indent++
		allowance++
	}
	quoted := func(s string) (string, int) {
		rep := p.in.repr(s)
		return rep, utf8.RuneCountInString(rep)
	}
	var chunks []string
	lines := splitLines(s, true)
	width := pprintWidth - indent
	for i, line := range lines {
		last := i == len(lines)-1
		room := width
		if last {
			room -= allowance
		}
		if rep, n := quoted(line); n <= room {
			chunks = append(chunks, rep)
			continue
		}
		room = width
		current := ""
		words := splitWords(line)
		for j, word := range words {
			if last && j == len(words)-1 {
				room -= allowance
			}
			if _, n := quoted(current + word); n <= room {
				current += word
				continue
			}
			if current != "" {
				rep, _ := quoted(current)
				chunks = append(chunks, rep)
			}
			current = word
		}
		if current != "" {
			rep, _ := quoted(current)
			chunks = append(chunks, rep)
		}
	}
	all := strings.Join(chunks, "\n"+strings.Repeat(" ", max(indent, 0)))
	if level == 1 && len(chunks) > 1 {
		all = "(" + all + ")"
	}
	p.write(all)
}

// splitWords splits s into words with the white space after them.
func splitWords(s string) []string {
	var words []string
	start, space := 0, false
	for i, r := range s {
		if space && !isSpace(r) {
			words = append(words, s[start:i])
			start = i
		}
		space = isSpace(r)
	}
	return append(words, s[start:])
}
