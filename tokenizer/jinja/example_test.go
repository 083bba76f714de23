package jinja_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"

	"st/tokenizer/jinja"
)

func Example() {
	t, err := jinja.Parse(`
{%- for m in messages %}
<|{{ m.role }}|>
{{ m.content | trim }}
{% endfor %}
{% if add_generation_prompt %}
<|assistant|>
{% endif %}`)
	if err != nil {
		log.Fatal(err)
	}
	text, err := t.Render(context.Background(), map[string]any{
		"messages": []any{
			jinja.Dict{{Key: "role", Value: "system"}, {Key: "content", Value: "Be brief."}},
			jinja.Dict{{Key: "role", Value: "user"}, {Key: "content", Value: " Why is the sky blue?\n"}},
		},
		"add_generation_prompt": true,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(text)
	// Output:
	// <|system|>
	// Be brief.
	// <|user|>
	// Why is the sky blue?
	// <|assistant|>
}

// A json.RawMessage keeps the order of its keys.
func ExampleTemplate_Render() {
	t, err := jinja.Parse(`{{ tools[0] | tojson(indent=1) }}`)
	if err != nil {
		log.Fatal(err)
	}
	text, err := t.Render(context.Background(), map[string]any{
		"tools": []any{json.RawMessage(`{"type": "function", "function": {"name": "f", "maximum": 18446744073709551615}}`)},
	})
	fmt.Println(text, err)
	// Output:
	// {
	//  "type": "function",
	//  "function": {
	//   "name": "f",
	//   "maximum": 18446744073709551615
	//  }
	// } <nil>
}

// An error says where it is, and wraps what kind it is.
func ExampleError() {
	t, err := jinja.Parse("{% if messages[0].role != 'user' %}\n{{ raise_exception('Begin with the user.') }}\n{% endif %}")
	if err != nil {
		log.Fatal(err)
	}
	_, err = t.Render(context.Background(), map[string]any{"messages": []any{jinja.Dict{{Key: "role", Value: "tool"}}}})
	fmt.Println(err, errors.Is(err, jinja.ErrRaised))
	// Output: line 2: Begin with the user. true
}
