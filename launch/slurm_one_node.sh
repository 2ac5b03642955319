#!/usr/bin/env bash
# A Slurm of one node on this machine, to rehearse a campaign before it goes to a cluster.
#
#   slurm_one_node.sh up     [STATE_DIR] [--no-install]
#   slurm_one_node.sh down   [STATE_DIR] [--purge]
#   slurm_one_node.sh status [STATE_DIR]
#
#   eval "$(sudo launch/slurm_one_node.sh up)"    # sets SLURM_CONF for this shell
#
# For root on Debian or Ubuntu; needs neither systemd nor docker. `up` installs slurm-wlm and munge
# if they are missing, and changes nothing if it is up already. `down` cancels all jobs; --purge
# also removes STATE_DIR. Only loopback is listened on. Partitions: debug (the default) and long.
#
# STATE_DIR        where configuration, key, logs and state lie (/tmp/slurm-one)
# ONE_NODE_PORT    port of slurmctld; slurmd has the next one (16817)
# ONE_NODE_CPUS    CPUs the node says it has (those of this machine)
#
# Exit codes: 0 done; 1 it failed, or `status` finds it down; 2 it cannot be done here, and why.
set -euo pipefail

NODE=one
MARKER=.slurm-one-node # says that a folder is ours to write to and to remove
LONGEST_DIR=60         # slurmd's sockets lie below it; a socket's path has at most 107 characters

say() { echo "slurm_one_node: $*" >&2; }

refuse() {
    say "$*"
    exit 2
}

usage() {
    sed -n '/^# A Slurm/,/^# Exit/s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

# --- what is ours -------------------------------------------------------------------------------

pid_file() {
    case $1 in
    munged) echo "$DIR/munge/pid" ;;
    *) echo "$DIR/$1.pid" ;;
    esac
}

# Prints the process id of one of our daemons. A pid file may be older than a reboot, and its number
# belong to another program by now: the command line must be that of the daemon, with our folder.
ours() {
    local pid file
    file=$(pid_file "$1")
    [[ -s $file ]] || return 1
    pid=$(<"$file")
    [[ $pid =~ ^[0-9]+$ && -r /proc/$pid/cmdline ]] || return 1
    tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qE "^[^ ]*$1 .*[ =]$DIR/" || return 1
    echo "$pid"
}

# Prints the configuration files of all Slurm daemons that run on this machine; "?" is the default.
running_configurations() {
    local comm pid arguments
    for comm in /proc/[0-9]*/comm; do
        case $(cat "$comm" 2>/dev/null || true) in
        slurmctld | slurmd) ;;
        *) continue ;;
        esac
        pid=${comm#/proc/}
        arguments=$(tr '\0' ' ' <"/proc/${pid%/comm}/cmdline" 2>/dev/null || true)
        [[ -n $arguments ]] || continue
        if [[ $arguments =~ \ -f\ ([^ ]+) ]]; then echo "${BASH_REMATCH[1]}"; else echo "?"; fi
    done
}

is_rehearsal() { [[ $1 == /* && -e $(dirname "$1")/$MARKER ]]; }

port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# --- up -----------------------------------------------------------------------------------------

check_place() {
    [[ $(uname -s) == Linux ]] || refuse "this is $(uname -s), not Linux: run it in a Debian container"
    [[ $EUID -eq 0 ]] || refuse "Slurm's daemons need root, and this is $(id -un): use sudo"
    [[ ${#DIR} -le $LONGEST_DIR ]] ||
        refuse "$DIR is longer than $LONGEST_DIR characters, too long for sockets: name a shorter folder"
    [[ $DIR =~ ^[A-Za-z0-9/._-]+$ ]] ||
        refuse "$DIR has characters that slurm.conf cannot hold: name a folder of letters and digits"
    if [[ -n ${SLURM_CONF:-} ]] && ! is_rehearsal "$SLURM_CONF"; then
        refuse "SLURM_CONF=$SLURM_CONF names a cluster of somebody else: unset it, or use that cluster"
    fi
    local configuration
    while read -r configuration; do
        [[ -z $configuration ]] || is_rehearsal "$configuration" ||
            refuse "a Slurm daemon runs here already (configuration: $configuration): use that Slurm"
    done <<<"$(running_configurations)"
    if [[ -d $DIR && ! -e $DIR/$MARKER && -n $(ls -A "$DIR") ]]; then
        refuse "$DIR holds files of something else: name another folder"
    fi
    { mkdir -p "$DIR" && touch "$DIR/$MARKER"; } 2>/dev/null ||
        refuse "$DIR cannot be written: name another folder"
}

missing_programs() {
    local program
    for program in slurmctld slurmd munged; do
        command -v "$program" >/dev/null || echo "$program"
    done
}

install_slurm() {
    local missing
    mapfile -t missing < <(missing_programs)
    ((${#missing[@]})) || return 0
    command -v apt-get >/dev/null ||
        refuse "no ${missing[*]}, and no apt-get to install it: install Slurm and munge, then try again"
    ((INSTALL)) ||
        refuse "no ${missing[*]}: leave out --no-install, or run apt-get install slurm-wlm munge"
    # One at a time: apt-get refuses while another one works.
    mkdir -p /run/lock
    exec 8>>/run/lock/dualion-slurm-install
    flock 8
    if [[ -n $(missing_programs) ]]; then
        say "installing slurm-wlm and munge"
        export DEBIAN_FRONTEND=noninteractive
        {
            apt-get update -qq 8>&- 9>&- &&
                apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 \
                    slurm-wlm munge 8>&- 9>&-
        } >"$DIR/install.log" 2>&1 ||
            refuse "apt-get could not install slurm-wlm and munge: see $DIR/install.log"
    fi
    exec 8>&-
}

check_ports() {
    local port
    [[ $PORT =~ ^[1-9][0-9]{0,4}$ && $PORT -lt 65535 ]] ||
        refuse "ONE_NODE_PORT=$PORT is no port: give a number below 65535"
    for port in "$PORT" $((PORT + 1)); do
        ! port_taken "$port" ||
            refuse "port $port is taken: set ONE_NODE_PORT to one that is free, as is the next"
    done
}

write_configuration() {
    local memory
    memory=$(awk '/^MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
    cat >"$DIR/slurm.conf" <<CONF
ClusterName=one
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=$PORT
SlurmdPort=$((PORT + 1))
SlurmUser=root
SlurmdUser=root
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
AuthInfo=socket=$DIR/munge/s
StateSaveLocation=$DIR/state
SlurmdSpoolDir=$DIR/spool
SlurmctldPidFile=$DIR/slurmctld.pid
SlurmdPidFile=$DIR/slurmd.pid
SlurmctldLogFile=$DIR/log/slurmctld.log
SlurmdLogFile=$DIR/log/slurmd.log
# A container may have neither cgroups nor systemd.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
# The node may be said to have more CPUs than there are.
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
# Jobs start within a second or two.
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0,bf_interval=5
# A job past its time gets SIGTERM (slurmctld looks every 30 s), and SIGKILL 5 s later.
OverTimeLimit=0
KillWait=5
# What ended is remembered for a day, and a job that a node took down is not started again.
MinJobAge=86400
JobRequeue=0
# A node that was set DOWN stays so until it is set to RESUME.
ReturnToService=1
JobCompType=jobcomp/filetxt
JobCompLoc=$DIR/log/jobcomp.txt
AccountingStorageType=accounting_storage/none
NodeName=$NODE NodeHostname=localhost NodeAddr=127.0.0.1 CPUs=$CPUS RealMemory=$memory
PartitionName=debug Nodes=$NODE Default=YES MaxTime=INFINITE
PartitionName=long Nodes=$NODE MaxTime=INFINITE
CONF
}

start_munge() {
    local try
    mkdir -p "$DIR/munge"
    chmod 711 "$DIR/munge" # users need the socket, nobody else the key
    if [[ ! -s $DIR/munge/key ]]; then
        (umask 077 && dd if=/dev/urandom of="$DIR/munge/key" bs=1024 count=1 status=none)
    fi
    ours munged >/dev/null && return
    # --force: munged does not like a folder below /tmp, which all may write to.
    munged --force --key-file="$DIR/munge/key" --socket="$DIR/munge/s" --pid-file="$DIR/munge/pid" \
        --log-file="$DIR/munge/log" --seed-file="$DIR/munge/seed" 9>&- 2>>"$DIR/munge/start.log"
    for ((try = 0; try < 50; try++)); do
        munge --socket="$DIR/munge/s" --no-input >/dev/null 2>&1 && return
        sleep 0.1
    done
    say "munged did not start: see $DIR/munge/log"
    exit 1
}

wait_for_node() {
    local try state=""
    for ((try = 0; try < 120; try++)); do
        state=$(sinfo -h -p debug -o %T 2>/dev/null || true)
        case $state in
        idle | mixed | allocated | completing) return ;;
        down* | drain*) scontrol update NodeName=$NODE State=RESUME 2>/dev/null || true ;;
        esac
        sleep 0.25
    done
    say "the node did not come up (it is '${state:-unknown}'): see $DIR/log"
    exit 1
}

up() {
    check_place
    exec 9>>"$DIR/$MARKER"
    flock 9 # two `up` at the same time: the second finds all done
    install_slurm
    export SLURM_CONF=$DIR/slurm.conf
    mkdir -p "$DIR"/{state,spool,log}
    chmod 755 "$DIR" "$DIR"/{state,spool,log}
    if ! ours slurmctld >/dev/null && ! ours slurmd >/dev/null; then
        check_ports
        write_configuration
    fi
    start_munge
    ours slurmctld >/dev/null || slurmctld -f "$SLURM_CONF" 9>&-
    ours slurmd >/dev/null || slurmd -f "$SLURM_CONF" -N $NODE 9>&-
    wait_for_node
    echo "export SLURM_CONF=$SLURM_CONF"
}

# --- down and status ----------------------------------------------------------------------------

stop() {
    local pid try
    pid=$(ours "$1") || return 0
    kill "$pid"
    for ((try = 0; try < 100; try++)); do
        [[ $(ours "$1") == "$pid" ]] || return 0
        sleep 0.1
    done
    kill -9 "$pid"
}

cancel_jobs() {
    local jobs try
    ours slurmctld >/dev/null || return 0
    for ((try = 0; try < 40; try++)); do
        jobs=$(squeue -h -o %A 2>/dev/null) || return 0
        [[ -n $jobs ]] || return 0
        # shellcheck disable=SC2086 # one word for each job
        ((try % 20)) || scancel $jobs 2>/dev/null || true
        sleep 0.5 # SIGTERM, and SIGKILL after KillWait
    done
    say "some jobs did not end: $(tr '\n' ' ' <<<"$jobs")"
}

down() {
    if [[ ! -e $DIR/$MARKER ]]; then
        [[ ! -e $DIR ]] || refuse "$DIR was not made by this script: name the folder given to 'up'"
        return 0
    fi
    [[ $EUID -eq 0 ]] || refuse "Slurm's daemons belong to root, and this is $(id -un): use sudo"
    export SLURM_CONF=$DIR/slurm.conf
    cancel_jobs
    stop slurmd
    stop slurmctld
    stop munged
    ((!PURGE)) || rm -rf -- "$DIR"
}

status() {
    local daemon pid up=0
    for daemon in munged slurmctld slurmd; do
        if pid=$(ours "$daemon"); then
            echo "$daemon: process $pid"
        else
            echo "$daemon: not running"
            up=1
        fi
    done
    ((up == 0)) || return 1
    SLURM_CONF=$DIR/slurm.conf sinfo -o "%P %T %C"
    echo "export SLURM_CONF=$DIR/slurm.conf"
}

# --- the command line ---------------------------------------------------------------------------

(($#)) || usage
VERB=$1
shift
DIR=/tmp/slurm-one
INSTALL=1
PURGE=0
while (($#)); do
    case $VERB:$1 in
    up:--no-install) INSTALL=0 ;;
    down:--purge) PURGE=1 ;;
    *:-*) usage ;;
    *) DIR=$1 ;;
    esac
    shift
done
DIR=$(realpath -m -- "$DIR")
PORT=${ONE_NODE_PORT:-16817}
CPUS=${ONE_NODE_CPUS:-$(nproc)}

case $VERB in
up | down | status) "$VERB" ;;
*) usage ;;
esac
