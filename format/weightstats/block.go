package weightstats

import (
	"encoding/binary"
	"math"
	"math/bits"

	"st/quant"
)

var le = binary.LittleEndian

// Blocks of 32 quantized weights are summed up in 64-bit words as they lie in the file, without taking the words apart weight by weight.
// The signs are those of a [sketch].

const (
	lowNibbles = 0x0f0f0f0f0f0f0f0f
	evenBytes  = 0x00ff00ff00ff00ff
	sumLanes   = 0x0001000100010001 // a product with it has the sum of four 16-bit lanes in the highest
)

// measureQ4 returns Σ q² and Σ ±q of the 32 weights q = n − 8 whose n are the nibbles of two words.
func measureQ4(a, b, signs uint64) (squares, sum int) {
	al, ah, bl, bh := a&lowNibbles, a>>4&lowNibbles, b&lowNibbles, b>>4&lowNibbles
	// Lanes times lanes in reverse have Σ n² in the highest lane; what is below is too small to reach it.
	p := al&evenBytes*reversed(al&evenBytes) + al>>8&evenBytes*reversed(al>>8&evenBytes) +
		ah&evenBytes*reversed(ah&evenBytes) + ah>>8&evenBytes*reversed(ah>>8&evenBytes) +
		bl&evenBytes*reversed(bl&evenBytes) + bl>>8&evenBytes*reversed(bl>>8&evenBytes) +
		bh&evenBytes*reversed(bh&evenBytes) + bh>>8&evenBytes*reversed(bh>>8&evenBytes)
	s := al + ah + bl + bh
	squares = int(p>>48) - 16*int((s&evenBytes+s>>8&evenBytes)*sumLanes>>48) + 64*quant.BlockSize

	// Inverting the four bits of n gives 15 − n, which is 8 − q − 1: the sum of nibbles, some of them inverted, is the signed sum
	// but for 8 a weight and −1 for each inverted one.
	const each = 0x1111111111111111
	a ^= signs & each * 15
	b ^= signs >> 1 & each * 15
	s = a&lowNibbles + a>>4&lowNibbles + b&lowNibbles + b>>4&lowNibbles
	sum = int((s&evenBytes+s>>8&evenBytes)*sumLanes>>48) - 8*quant.BlockSize + bits.OnesCount64(signs&usedSigns)
	return squares, sum
}

// reversed puts the low bytes of four lanes in reverse order.
func reversed(lanes uint64) uint64 { return bits.ReverseBytes64(lanes) >> 8 }

// squares8 holds q² for every byte of Q8_0.
var squares8 = func() (t [256]uint32) {
	for i := range t {
		q := int32(int8(i))
		t[i] = uint32(q * q)
	}
	return t
}()

// measureQ8 returns Σ q² and Σ ±q of the 32 weights q in a block.
func measureQ8(w *[32]byte, signs uint64) (squares, sum int) {
	const each, bias = 0x0101010101010101, 0x8080808080808080
	t := &squares8
	var n uint32
	var s uint64
	for i, shift := range [...]uint8{0, 1, 4, 5} {
		v := le.Uint64(w[8*i:])
		n += t[byte(v)] + t[byte(v>>8)] + t[byte(v>>16)] + t[byte(v>>24)] + t[byte(v>>32)] + t[byte(v>>40)] + t[byte(v>>48)] + t[v>>56]
		// As above: the bytes are made q + 128, and inverted they are 128 − q − 1.
		v ^= bias ^ signs>>(shift&7)&each*255
		s += v&evenBytes + v>>8&evenBytes
	}
	return int(n), int(s*sumLanes>>48) - 128*quant.BlockSize + bits.OnesCount64(signs&usedSigns)
}

// measureFloats returns Σ w², Σ ±w and max |w| of 32 weights. top is finite only if all weights are: as integers, magnitudes are ordered as
// the numbers are, with infinity and NaN above all.
func measureFloats(block *[quant.BlockSize]float32, signs uint64) (squares, sum float64, top float32) {
	const sign = 1 << 31
	var highest uint32
	var q0, q1, q2, q3, s0, s1, s2, s3 float64
	for j := range 8 {
		u0, u1, u2, u3 := math.Float32bits(block[j]), math.Float32bits(block[j+8]), math.Float32bits(block[j+16]), math.Float32bits(block[j+24])
		highest = max(highest, u0&^sign, u1&^sign, u2&^sign, u3&^sign)
		bit := uint32(signs) // compare signBit
		w0 := float64(math.Float32frombits(u0 ^ bit<<31&sign))
		w1 := float64(math.Float32frombits(u1 ^ bit<<30&sign))
		w2 := float64(math.Float32frombits(u2 ^ bit<<27&sign))
		w3 := float64(math.Float32frombits(u3 ^ bit<<26&sign))
		signs >>= 8
		q0, q1, q2, q3 = q0+w0*w0, q1+w1*w1, q2+w2*w2, q3+w3*w3
		s0, s1, s2, s3 = s0+w0, s1+w1, s2+w2, s3+w3
	}
	return q0 + q1 + q2 + q3, s0 + s1 + s2 + s3, math.Float32frombits(highest)
}
