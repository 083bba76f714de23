package hub

// Client asks the services.
type Client struct{ config Config }

// Config says where the services are and who asks.
type Config struct {
	// Endpoints are the services' addresses, without a path.
	HuggingFace, ModelScope string
}

// New returns a client. It may be used by several goroutines at once.
func New(c Config) *Client { return &Client{c} }
