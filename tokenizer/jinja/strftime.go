package jinja

import (
	"fmt"
	"strings"
	"time"
)

// StrftimeNow returns the function strftime_now of a given time, instead of the
// present, for the variables of a template.
func StrftimeNow(t time.Time) Func {
	return func(args []any) (any, error) {
		if len(args) == 1 {
			if format, ok := args[0].(string); ok {
				return strftime(t, format), nil
			}
		}
		return nil, fmt.Errorf("strftime_now takes a format, which is a string")
	}
}

func (in *interp) strftime(t time.Time, format string) string {
	in.alloc(16 * len(format))
	return strftime(t, format)
}

// strftimeLayouts are the conversions that have a layout in package time.
var strftimeLayouts = map[byte]string{
	'Y': "2006", 'y': "06", 'm': "01", 'd': "02", 'e': "_2", 'j': "002",
	'B': "January", 'b': "Jan", 'h': "Jan", 'A': "Monday", 'a': "Mon",
	'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM", 'P': "pm",
	'F': "2006-01-02", 'T': "15:04:05", 'R': "15:04", 'D': "01/02/06", 'r': "03:04:05 PM",
	'c': "Mon Jan _2 15:04:05 2006", 'x': "01/02/06", 'X': "15:04:05",
}

// strftime formats t as Python's strftime formats a time without a zone, in the
// C locale on Linux. An unknown conversion is left as it is.
func strftime(t time.Time, format string) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		flag := byte(0)
		if strings.IndexByte("-_0^", format[i]) >= 0 && i+1 < len(format) {
			flag = format[i]
			i++
		}
		text := conversionOf(t, format[i])
		switch flag {
		case '-', '_': // no leading zeros, or spaces instead
			n := 0
			for n < len(text)-1 && (text[n] == '0' || text[n] == ' ') {
				n++
			}
			text = text[n:]
			if flag == '_' {
				text = strings.Repeat(" ", n) + text
			}
		case '0':
			text = strings.ReplaceAll(text, " ", "0")
		case '^':
			text = strings.ToUpper(text)
		}
		b.WriteString(text)
	}
	return b.String()
}

func conversionOf(t time.Time, c byte) string {
	if layout, ok := strftimeLayouts[c]; ok {
		return t.Format(layout)
	}
	sunday, monday := int(t.Weekday()), (int(t.Weekday())+6)%7
	year, week := t.ISOWeek()
	switch c {
	case '%':
		return "%"
	case 'n':
		return "\n"
	case 't':
		return "\t"
	case 'f':
		return fmt.Sprintf("%06d", t.Nanosecond()/1000)
	case 'z', 'Z':
		return ""
	case 'C':
		return fmt.Sprintf("%02d", t.Year()/100)
	case 'k':
		return fmt.Sprintf("%2d", t.Hour())
	case 'l':
		return fmt.Sprintf("%2d", (t.Hour()+11)%12+1)
	case 's':
		return fmt.Sprint(t.Unix())
	case 'u':
		return fmt.Sprint(monday + 1)
	case 'w':
		return fmt.Sprint(sunday)
	case 'U':
		return fmt.Sprintf("%02d", (t.YearDay()+6-sunday)/7)
	case 'W':
		return fmt.Sprintf("%02d", (t.YearDay()+6-monday)/7)
	case 'V':
		return fmt.Sprintf("%02d", week)
	case 'G':
		return fmt.Sprint(year)
	case 'g':
		return fmt.Sprintf("%02d", year%100)
	}
	return "%" + string(c)
}
