"""A private RabbitMQ node from the package that the machine has (Debian, Fedora, Homebrew).

Everything that a node shares with others by default is its own here: name server (epmd), cookie, data,
configuration, ports, all on loopback. So it runs beside a RabbitMQ of the system, and beside a second
stack, without meeting them. The package's wrapper in the PATH insists on root or the `rabbitmq` user on
Debian: its real script is called instead.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it ships no types

from deploy.local.broker import USER, VHOST, Broker, own_broker, password_of
from deploy.local.errors import NoBrokerError, StartError
from deploy.local.guardian import Guardian
from deploy.local.kept_data import told, written_since
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import ManagedProcess

_SCRIPTS = (
    "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server",  # Debian, Ubuntu, Fedora
    "/opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server",  # Homebrew on Apple silicon
    "/usr/local/opt/rabbitmq/sbin/rabbitmq-server",  # Homebrew on Intel
)
_NODE = "carillon@localhost"
"""The same in every stack, as data belongs to a node's name; two stacks have two epmd and do not meet."""

_START_WITHIN = 90.0
_STOP_WITHIN = 20.0
_CONTROL_WITHIN = 60.0


def package_script() -> Path | None:
    """Return the server's own start script, `CARILLON_RABBITMQ_SERVER` or the package's; None when there is neither."""
    if named := os.environ.get("CARILLON_RABBITMQ_SERVER"):
        if not os.access(named, os.X_OK):
            raise NoBrokerError(
                f"CARILLON_RABBITMQ_SERVER should name a rabbitmq-server that can be run, not {named!r}."
            )
        return Path(named)
    found = [path for pattern in _SCRIPTS for path in sorted(Path("/").glob(pattern.lstrip("/")))]
    on_path = shutil.which("rabbitmq-server")
    return found[-1] if found else Path(on_path) if on_path else None


class PackagedNode:
    """A node of the machine's package on a data folder, with the name server that it needs."""

    def __init__(self, script: Path, folder: Path, guardian: Guardian, *, keep: bool) -> None:
        self._folder = folder
        self._keep = keep
        self._amqp, self._management, self._epmd, self._distribution = (free_port() for _ in range(4))
        folder.mkdir(parents=True, exist_ok=True)
        environment = self._environment()
        log = folder / "rabbitmq.log"
        epmd = shutil.which("epmd") or "epmd"
        self.names = ManagedProcess(
            "epmd",
            [epmd, "-port", str(self._epmd), "-address", LOOPBACK],
            guardian=guardian,
            log=log,
            environment=environment,
            ready=self._names_listen,
        )
        self.node = ManagedProcess(
            "rabbitmq",
            [script],
            guardian=guardian,
            log=log,
            environment=environment,
            folder=folder,
            ready_within=_START_WITHIN,
        )

    def start(self) -> Broker:
        """Start it and block until it takes connections, which takes Erlang about 4 s of CPU."""
        password = password_of(self._folder)
        self._write_configuration(password)
        try:
            return self._start(password)
        except BaseException:
            self.stop()
            raise

    def _start(self, password: str) -> Broker:
        self.names.start()
        self.names.wait_ready()
        log = self.node.log
        before = log.stat().st_size
        self.node.start()
        broker = own_broker(
            "package",
            amqp=self._amqp,
            management=self._management,
            password=password,
            process=self.node,
            stop=self.stop,
            control=partial(_control, Path(self.node.command[0]).with_name("rabbitmqctl"), self._environment()),
        )
        self.node.ready = broker.is_ready
        try:
            self.node.wait_ready()
        except StartError as error:
            said = written_since(log, before)
            raise told(error, said, self._folder, removal=f"rm -r {self._folder}") from None
        return broker

    def stop(self) -> None:
        """End the node, then its name server. With data to throw away it is killed: closing takes 6 s."""
        if self._keep:
            self.node.stop(_STOP_WITHIN)
        else:
            self.node.kill()
        self.names.stop(2.0)

    def _names_listen(self) -> bool:
        """Whether the name server listens: ours, not another that took the port first."""
        try:
            sockets = psutil.Process(self.names.pid).net_connections("tcp")
        except psutil.NoSuchProcess:
            return False
        return any(socket.status == psutil.CONN_LISTEN and socket.laddr.port == self._epmd for socket in sockets)

    def _write_configuration(self, password: str) -> None:
        """Write the node's files."""
        write_files(
            self._folder,
            password,
            f"listeners.tcp.local = {LOOPBACK}:{self._amqp}",
            f"management.tcp.ip = {LOOPBACK}",
            f"management.tcp.port = {self._management}",
        )

    def _environment(self) -> Mapping[str, str]:
        return {
            **environment_of(self._folder, _NODE),
            "ERL_EPMD_PORT": str(self._epmd),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }


def _control(script: Path, environment: Mapping[str, str], *arguments: str) -> str:
    """Call a node's own `rabbitmqctl` (0.4 s); raises `subprocess.CalledProcessError`."""
    return subprocess.run(  # noqa: S603 - ours
        [script, "--node", _NODE, *arguments],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=_CONTROL_WITHIN,
    ).stdout


def write_files(folder: Path, password: str, *lines: str) -> None:
    """Write what a node reads: the given lines of its configuration beside what is the same for each of ours."""
    always = (
        f"default_user = {USER}",
        f"default_pass = {password}",
        f"default_vhost = {VHOST}",
        "log.file = false",
        "log.console = true",
        "log.console.level = warning",
        "log.console.use_colors = off",
    )
    for name in ("home", "conf.d", "data", "log", "generated"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "conf.d" / "local.conf").write_text("\n".join((*lines, *always)) + "\n")
    (folder / "plugins").write_text("[rabbitmq_management].\n")
    (folder / "environment.conf").touch()


def environment_of(at: Path, node: str) -> dict[str, str]:
    """Settle every default that would lead to the system's own node; nothing of the caller's gets in."""
    return {
        "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin",
        "LANG": "C.UTF-8",
        "HOME": str(at / "home"),  # the cookie lies there
        "ERL_CRASH_DUMP": str(at / "erl_crash.dump"),  # else whoever calls `rabbitmqctl` finds it where he stands
        "RABBITMQ_NODENAME": node,
        "RABBITMQ_CONF_ENV_FILE": str(at / "environment.conf"),
        "RABBITMQ_CONFIG_FILE": str(at / "none"),
        "RABBITMQ_CONFIG_FILES": str(at / "conf.d" / "*.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(at / "none.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(at / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(at / "data"),
        "RABBITMQ_LOG_BASE": str(at / "log"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(at / "generated"),
        "RABBITMQ_PID_FILE": str(at / "pid"),
        # The script becomes the server instead of staying as its parent: signals and pid are the
        # server's own.
        "RUNNING_UNDER_SYSTEMD": "true",
    }
