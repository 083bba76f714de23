package jsonschema_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"st/runtime/grammar/jsonschema"
)

type base struct {
	ID   uint8 `json:"id"`
	Note string
}

type tree struct {
	Label string  `json:"label" jsonschema:"maxLength=4"`
	Left  *tree   `json:"left"`
	More  []*tree `json:"more,omitempty" jsonschema:"maxItems=1"`
}

// node is generic, and its argument has a path with slashes.
type node[T any] struct {
	Value T         `json:"value" jsonschema:"maxLength=4"`
	Kids  []node[T] `json:"kids,omitempty" jsonschema:"maxItems=1"`
}

type label string

// color is an enumeration as Go writes them.
type color uint8

func (c *color) UnmarshalText(text []byte) error {
	*c = color(slices.Index([]string{"none", "red", "green"}, string(text)))
	if *c > 2 {
		return fmt.Errorf("%q is no color", text)
	}
	return nil
}

type everything struct {
	base
	Note  string            `json:"Note" jsonschema:"enum=one|two"`
	Color string            `json:"color" jsonschema:"enum=red|green,description=of the door, outside"`
	Level int               `json:"level" jsonschema:"enum=1|2|30"`
	Small int8              `json:"small"`
	Large uint64            `json:"large"`
	Float float32           `json:"float"`
	Exact float64           `json:"exact" jsonschema:"minimum=0,maximum=1"`
	Given json.Number       `json:"given" jsonschema:"enum=1|2.50"`
	Flag  *bool             `json:"flag,omitempty"`
	Time  time.Time         `json:"time" jsonschema:"description=when the door opened"`
	Bytes []byte            `json:"bytes"`
	Doors []color           `json:"doors" jsonschema:"enum=red|green,maxItems=3"`
	Pair  [2]int16          `json:"pair"`
	Codes map[string]string `json:"codes,omitempty" jsonschema:"pattern=^[a-z]{1,3}$"`
	ByNum map[int32]bool    `json:"by_num,omitzero"`
	Any   any               `json:"any"`
	Raw   json.RawMessage   `json:"raw"`
	Addr  netip.Addr        `json:"addr" jsonschema:"format=ipv4"`
	Tree  tree              `json:"tree"`
	Side  int8              `json:"größe [cm]"`
	Skip  chan int          `json:"-"`
}

// odd is a struct with a tag that encoding/json does not take: it calls the field Odd. Checkers of source text would tell.
var odd = reflect.StructOf([]reflect.StructField{{Name: "Odd", Type: reflect.TypeFor[int8](), Tag: `json:"the door's"`}})

// TestFor writes texts of the schemas of Go types, which encoding/json reads whole.
func TestFor(t *testing.T) {
	for _, v := range []any{new(everything), new(tree), new([]map[uint16]*int), new(string), new(int64), new(map[string]any), new(struct{}),
		new(node[label]), reflect.New(odd).Interface()} {
		of := reflect.TypeOf(v).Elem()
		schema, err := jsonschema.For(of)
		if err != nil {
			t.Fatal(err)
		}
		c := mustCompile(t, string(schema))
		rng := rand.New(rand.NewPCG(1, 1))
		for n := range 100 {
			text, err := sample(rng, c, n)
			if err != nil {
				t.Fatalf("%s: %v", schema, err)
			}
			d := json.NewDecoder(bytes.NewReader([]byte(text)))
			d.DisallowUnknownFields()
			if err := d.Decode(reflect.New(of).Interface()); err != nil {
				t.Fatalf("%s is written for %s: %v", text, of, err)
			}
			if err := validate(string(schema), text); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
	}
}

type left struct{ ID, Left int8 }

type right struct {
	ID    int8
	Right int8 `json:"Left"`
}

// TestForEmbedded has fields of one name in several structs: encoding/json fills the one at the least depth, or the one with a tag, or none.
func TestForEmbedded(t *testing.T) {
	for _, tt := range []struct {
		v    any
		want string
	}{
		{struct {
			left
			right
			ID bool
		}{}, `{"Left":{"type":"integer","minimum":-128,"maximum":127},"ID":{"type":"boolean"}}`},
		{struct {
			ID bool
			left
			right
		}{}, `{"ID":{"type":"boolean"},"Left":{"type":"integer","minimum":-128,"maximum":127}}`},
		{struct {
			left
			right
		}{}, `{"Left":{"type":"integer","minimum":-128,"maximum":127}}`},
	} {
		schema, err := jsonschema.For(reflect.TypeOf(tt.v))
		if err != nil {
			t.Fatal(err)
		}
		var got struct{ Properties json.RawMessage }
		if err := json.Unmarshal(schema, &got); err != nil || string(got.Properties) != tt.want {
			t.Errorf("%T: %s, %v", tt.v, got.Properties, err)
		}
	}
}

func TestForErrors(t *testing.T) {
	for _, v := range []any{
		struct{ C chan int }{}, struct{ F func() }{}, struct{ R fmt.Stringer }{}, struct{ M map[float64]int }{}, struct{ A netip.Addr }{}, []color{}, 1i,
		struct {
			S string `jsonschema:"colour"`
		}{},
		struct {
			S int `jsonschema:"minimum=x"`
		}{},
		struct {
			S int `jsonschema:"enum=x"`
		}{},
		struct {
			N int `json:",string"`
		}{},
		struct {
			T time.Time `jsonschema:"format=date"`
		}{},
		struct {
			B []byte `jsonschema:"maxLength=4"`
		}{},
		struct {
			A any `jsonschema:"enum=1|2"`
		}{},
		struct {
			R []json.RawMessage `jsonschema:"maxItems=2,minimum=1"`
		}{},
		struct {
			S struct{} `jsonschema:"maxItems=2"`
		}{},
	} {
		if s, err := jsonschema.For(reflect.TypeOf(v)); !errors.Is(err, jsonschema.ErrType) {
			t.Errorf("%T: %s, %v", v, s, err)
		}
	}
}

func ExampleFor() {
	type Room struct {
		Name  string   `json:"name" jsonschema:"minLength=1"`
		Floor int8     `json:"floor"`
		Use   []string `json:"use,omitempty" jsonschema:"enum=office|lab,maxItems=3"`
	}
	schema, _ := jsonschema.For(reflect.TypeFor[Room]())
	var out bytes.Buffer
	json.Indent(&out, schema, "", " ")
	fmt.Println(out.String())
	// Output:
	// {
	//  "type": "object",
	//  "properties": {
	//   "name": {
	//    "type": "string",
	//    "minLength": 1
	//   },
	//   "floor": {
	//    "type": "integer",
	//    "minimum": -128,
	//    "maximum": 127
	//   },
	//   "use": {
	//    "type": "array",
	//    "items": {
	//     "type": "string",
	//     "enum": [
	//      "office",
	//      "lab"
	//     ]
	//    },
	//    "maxItems": 3
	//   }
	//  },
	//  "required": [
	//   "name",
	//   "floor"
	//  ],
	//  "additionalProperties": false
	// }
}
