"""What lies in the containers of `programs.py`: configurations, and small programs."""

from importlib.resources import files

NGINX = """\
user root;
worker_processes 2;
events {}
http {
    access_log off;
    keepalive_timeout 600;
    keepalive_requests 100000;
    server {
        listen 80;
        location / { stub_status; }
    }
}
"""
HAPROXY = """\
global
    nbthread 2
defaults
    mode http
    timeout client 600s
    timeout connect 5s
    timeout server 5s
    timeout http-keep-alive 600s
frontend counting
    bind :8080
    stick-table type integer size 10 expire 24h store gpc0
    http-request track-sc0 int(1)
    http-request sc-inc-gpc0(0)
    http-request return status 200 content-type text/plain lf-string "%[sc_get_gpc0(0)]"
"""
MARIADB = """\
mariadb-install-db --no-defaults --user=root --datadir=/srv/db --auth-root-authentication-method=normal >/srv/log
exec mariadbd --no-defaults --user=root --datadir=/srv/db --skip-grant-tables --skip-networking=OFF --port=3306 \
    --socket=/srv/socket --innodb-buffer-pool-size=16M
"""
MOSQUITTO = """\
listener 1883
allow_anonymous true
user root
"""
RABBITMQ = """\
mqtt.listeners.tcp.default = 1883
mqtt.allow_anonymous = true
mqtt.retained_message_store = rabbit_mqtt_retained_msg_store_ets
anonymous_login_user = guest
anonymous_login_pass = guest
loopback_users = none
"""
JAVASCRIPT = """\
// Counts the lines that it gets over TCP and answers `COUNT start-TOKEN`, as subject.py does.
const token = require("crypto").randomUUID();
let count = 0;
require("net")
  .createServer((connection) => {
    connection.on("data", () => connection.write(`${++count} start-${token}\\n`));
    connection.on("error", () => connection.destroy());
  })
  .listen(7000, "0.0.0.0");
setInterval(() => {}, 100);
"""
BEANSHELL = """\
// Counts the lines that it gets over TCP and answers `COUNT start-TOKEN`, as subject.py does.
token = java.util.UUID.randomUUID().toString();
count = new java.util.concurrent.atomic.AtomicInteger();
answer(connection) {
    run() {
        reader = new java.io.BufferedReader(new java.io.InputStreamReader(connection.getInputStream()));
        while (reader.readLine() != null) {
            line = count.incrementAndGet() + " start-" + token + "\\n";
            connection.getOutputStream().write(line.getBytes());
        }
    }
    return this;
}
listener = new java.net.ServerSocket(7000);
while (true) {
    new Thread((Runnable) answer(listener.accept())).start();
}
"""
"""Java, interpreted: what compiles it takes more room than all else."""

PYTHON = (files("transship.bench") / "subject.py").read_text(encoding="utf-8")
