package main

import (
	"fmt"
	"html"
	"strconv"
	"strings"
)

// Colours of what is drawn, on light and on dark pages. A picture brings its own background, as a page that shows it may be darker or lighter than
// the system says.
const style = `
.page{fill:#ffffff}.ink{fill:#24292f}.faint{fill:#656d76}.axis{stroke:#d0d7de;fill:none}.track{fill:#f3f4f6}
.attend{fill:#3b82c4}.experts{fill:#2f9e62}.head{fill:#8a63c9}.wait{fill:#f2a7a0}
.wanted{fill:#b3261e}.late{fill:#e8742c}.expected{fill:#e3bd4f}.vain{fill:#9aa3ad}
.line1{stroke:#3b82c4;fill:none;stroke-width:2}.dot1{fill:#3b82c4}.line2{stroke:#2f9e62;fill:none;stroke-width:2}.dot2{fill:#2f9e62}
@media(prefers-color-scheme:dark){
.page{fill:#0d1117}.ink{fill:#e6edf3}.faint{fill:#8d96a0}.axis{stroke:#3d444d}.track{fill:#1b2129}
.attend{fill:#539bdf}.experts{fill:#3fb573}.head{fill:#a585e0}.wait{fill:#7d3a36}
.wanted{fill:#f0524a}.late{fill:#ee8a3c}.expected{fill:#ecd06a}.vain{fill:#6e7681}
.line1{stroke:#539bdf}.dot1{fill:#539bdf}.line2{stroke:#3fb573}.dot2{fill:#3fb573}}
`

// canvas is a picture that is being drawn: shapes of one class are one path, so that thousands of them take few bytes.
type canvas struct {
	width, height float64
	body          strings.Builder
	classes       []string
	paths         map[string]*strings.Builder
}

// num writes a length with at most one digit after the point.
func num(x float64) string {
	s := strconv.FormatFloat(x, 'f', 1, 64)
	return strings.TrimSuffix(s, ".0")
}

func (c *canvas) path(class string) *strings.Builder {
	if c.paths == nil {
		c.paths = map[string]*strings.Builder{}
	}
	p := c.paths[class]
	if p == nil {
		p = new(strings.Builder)
		c.paths[class] = p
		c.classes = append(c.classes, class)
	}
	return p
}

func (c *canvas) rect(class string, x, y, w, h float64) {
	fmt.Fprintf(c.path(class), "M%s %sh%sv%sh-%sz", num(x), num(y), num(w), num(h), num(w))
}

func (c *canvas) line(class string, points ...[2]float64) {
	p := c.path(class)
	for i, q := range points {
		p.WriteString(map[bool]string{true: "M", false: "L"}[i == 0])
		p.WriteString(num(q[0]) + " " + num(q[1]))
	}
}

func (c *canvas) dot(class string, x, y float64) {
	fmt.Fprintf(c.path(class), "M%s %sa3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z", num(x-3.5), num(y))
}

// text writes a line of text; anchor is start, middle or end.
func (c *canvas) text(class, anchor string, size, x, y float64, text string) {
	attr := ""
	if anchor != "start" {
		attr = ` text-anchor="` + anchor + `"`
	}
	fmt.Fprintf(&c.body, `<text class="%s" x="%s" y="%s" font-size="%s"%s>%s</text>`+"\n", class, num(x), num(y), num(size), attr, html.EscapeString(text))
}

// legend writes entries of class and text from left to right.
func (c *canvas) legend(x, y float64, entries ...[2]string) {
	for _, e := range entries {
		c.rect(e[0], x, y-9, 12, 10)
		c.text("faint", "start", 12, x+17, y, e[1])
		x += 36 + 6.4*float64(len([]rune(e[1])))
	}
}

func (c *canvas) svg(title string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]s %[2]s" width="%[1]s" height="%[2]s" role="img" font-family="system-ui,-apple-system,Segoe UI,DejaVu Sans,sans-serif">`+"\n",
		num(c.width), num(c.height))
	fmt.Fprintf(&b, "<title>%s</title>\n<style>%s</style>\n<rect class=\"page\" width=\"%s\" height=\"%s\"/>\n", html.EscapeString(title), style, num(c.width), num(c.height))
	for _, class := range c.classes {
		fmt.Fprintf(&b, "<path class=\"%s\" d=\"%s\"/>\n", class, c.paths[class])
	}
	b.WriteString(c.body.String())
	b.WriteString("</svg>\n")
	return b.String()
}
