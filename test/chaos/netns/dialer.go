package netns

import "net"

// Dialer dials from one host, to literal addresses.
type Dialer struct {
	Lab  *Lab
	Host int
	net.Dialer
}

// Dial is net.Dialer's, from the host.
func (d *Dialer) Dial(network, address string) (conn net.Conn, err error) {
	err = d.Lab.On(d.Host, func() (err error) {
		conn, err = d.Dialer.Dial(network, address)
		return err
	})
	return conn, err
}
