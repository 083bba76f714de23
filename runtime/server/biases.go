package server

import (
	"encoding/json"
	"fmt"
	"strconv"

	"st/runtime"
)

// biases are those of tokens, by their ids: an object, or, as llama.cpp has it, a list of pairs, in which false is the least bias.
type biases map[string]float64

func (b *biases) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, (*map[string]float64)(b)); err == nil || data[0] != '[' {
		return err
	}
	var pairs [][]any
	if json.Unmarshal(data, &pairs) != nil {
		return wants("an object, or an array of pairs of a token and its bias")
	}
	*b = make(biases, len(pairs))
	for _, p := range pairs {
		id, bias, ok := readBias(p)
		if !ok {
			return wants("an object, or an array of pairs of a token's id and its bias, a number or false")
		}
		(*b)[strconv.Itoa(int(id))] = bias
	}
	return nil
}

// readBias reads a pair of llama.cpp's list. As whole numbers elsewhere, the id may be written as 40.0: see [setField].
func readBias(pair []any) (id int32, bias float64, ok bool) {
	if len(pair) != 2 {
		return 0, 0, false
	}
	if pair[1] == false {
		pair[1] = -float64(maxBias)
	}
	n, isNumber := pair[0].(float64)
	bias, ok = pair[1].(float64)
	id = int32(n)
	return id, bias, ok && isNumber && float64(id) == n
}

func logitBias(byID biases) (map[int32]float64, error) {
	if len(byID) == 0 {
		return nil, nil
	}
	bias := make(map[int32]float64, len(byID))
	for id, b := range byID {
		n, err := strconv.ParseInt(id, 10, 32)
		switch {
		case err != nil:
			return nil, badField("logit_bias", fmt.Sprintf("%q is not the id of a token", id))
		case b < -maxBias || b > maxBias:
			return nil, badField("logit_bias", fmt.Sprintf("the bias of token %s is %v and must be between %d and %d", id, b, -maxBias, maxBias))
		}
		bias[int32(n)] = b
	}
	return bias, nil
}

// checkBias returns an error if a bias is for a token that the model does not have.
func checkBias(bias map[int32]float64, m *runtime.Model) error {
	for id := range bias {
		if vocab := m.Config().Vocab; id < 0 || int(id) >= vocab {
			return badField("logit_bias", fmt.Sprintf("it is for token %d: the vocabulary has ids 0 to %d", id, vocab-1))
		}
	}
	return nil
}
