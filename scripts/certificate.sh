# Sourced by the scripts that start servers with TLS.

# A key and a certificate of this machine in a folder, key.pem and cert.pem.
make_certificate() {
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
		-keyout "$1/key.pem" -out "$1/cert.pem" 2> "$1/openssl.log"
}
