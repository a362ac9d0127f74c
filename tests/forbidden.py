"""
What suppliers may write into a URL and we must never connect to, in every spelling that we know.

FORBIDDEN ends with `address_forbidden`, INVALID with `url_invalid`; names are what ZONE says.
"""

# ruff: noqa: RUF001 - letters and digits that look like others are the point
from typing import Final

OWN: Final = ("52.95.110.8", "52.95.110.9", "2a00:1450:4001::9")  # of the machine that asks

NUMBERS: Final = """
    127.0.0.1.  127.1  127.0.1  2130706433  2130706433.  0x7f000001  0X7F000001  0x7f.1  0x7f.0.0.1
    0x7f.0x0.0x0.0x1  017700000001  0177.0.0.1  0177.0.0.01  0177.0x0.1  00000177.1  127.0.0.0x1  127.0.1.
    0  0x0  00  0.1  ①②⑦.0.0.1  １２７.0.0.1  ⑫7.0.0.1  ０ｘ７ｆ.1  10.1  167772161  0x0a000001  012.0.0.1
    0xa.1  10.0.1  172.16.1  2886729729  0xac100001  0254.020.0.1  192.168.257  3232235521  0xc0a80001
    0300.0250.0.1  4294967295  169.254.169.254.  169.254.43518  2852039166  0xa9fea9fe
    0xa9.0xfe.0xa9.0xfe  0251.0376.0251.0376  0251.254.0xa9fe  169.254.0xa9fe  ⑯9.254.169.254  0xa83f8110
    0x345f6e09  52.95.28169
"""  # how some libraries, but no supplier, write the addresses below
LOOPBACK: Final = """
    127.0.0.1  127.255.255.254  0.0.0.0  0.0.0.1  127。0。0。1  127．0．0．1  127｡0｡0｡1  𝟏𝟐𝟕.𝟎.𝟎.𝟏
    127.0.0.①
"""
PRIVATE: Final = """
    10.0.0.1  10.255.255.255  172.16.0.1  172.17.0.1  172.31.255.255  192.168.0.1  192.168.1.1
    192.168.255.255  100.64.0.1  100.127.255.255  198.18.0.1  198.19.255.255  192.0.0.1  192.0.0.8
    192.0.0.170  192.0.2.1  198.51.100.1  203.0.113.1  192.88.99.1  192.31.196.1  192.52.193.1
    192.175.48.1  224.0.0.1  224.0.0.251  239.255.255.250  240.0.0.1  250.1.2.3  255.255.255.255
"""
CLOUDS: Final = """
    169.254.169.254  169。254。169。254  169.254.169.253  169.254.170.2  169.254.169.123  169.254.0.1
    169.254.255.255  100.100.100.200  100.100.2.136  168.63.129.16  192.0.0.192  169.254.42.42
    [fd00:ec2::254]  [fd00:ec2::253]  [fd20:ce::254]  [fd00:c1::a9fe:a9fe]  [fe80::a9fe:a9fe]
    [::ffff:169.254.169.254]  [::ffff:a9fe:a9fe]  [::a9fe:a9fe]  [64:ff9b::a9fe:a9fe]  [2002:a9fe:a9fe::]
"""
IPV6: Final = """
    [::]  [::1]  [0:0:0:0:0:0:0:1]  [0000:0000:0000:0000:0000:0000:0000:0001]  [::0001]  [::0.0.0.1]
    [::127.0.0.1]  [::7f00:1]  [::ffff:127.0.0.1]  [::FFFF:7F00:1]  [0:0:0:0:0:ffff:7f00:1]
    [::ffff:0:127.0.0.1]  [::ffff:0:7f00:1]  [::ffff:10.0.0.1]  [::ffff:192.168.0.1]  [::ffff:8.8.8.8]
    [::8.8.8.8]  [64:ff9b::127.0.0.1]  [64:ff9b::7f00:1]  [64:ff9b::10.0.0.1]  [64:ff9b::8.8.8.8]
    [64:ff9b:1::7f00:1]  [64:ff9b:1:ffff::10.0.0.1]  [64:ff9b:1::8.8.8.8]  [2002:7f00:1::]
    [2002:7f00:1::1]  [2002:a00:1::]  [2002:c0a8:1::1]  [2002:808:808::1]  [2001::1]  [2001:0:7f00:1::]
    [2001:0:4136:e378:8000:63bf:80ff:fffe]  [2001:0:53aa:64c::f5ff:fffe]  [2606:4700::5efe:127.0.0.1]
    [2606:4700::5efe:7f00:1]  [2606:4700::200:5efe:a00:1]  [fe80::5efe:10.0.0.1]  [fc00::1]  [fd00::1]
    [fdff:ffff::1]  [fe80::1]  [febf::1]  [fec0::1]  [feff::1]  [ff01::1]  [ff02::1]  [ff02::fb]
    [ff05::2]  [ff0e::1]  [ffff::1]  [100::1]  [100:0:0:1::1]  [2001:2::1]  [2001:3::1]  [2001:4:112::1]
    [2001:10::1]  [2001:20::1]  [2001:30::1]  [2001:db8::1]  [3fff::1]  [3ffe::1]  [2620:4f:8000::1]
    [5f00::1]  [4000::1]  [1::1]  [e000::1]
"""
OURS: Final = "52.95.110.8  52.95.110.9  [2a00:1450:4001::9]  [2a00:1450:4001:0::0009]"
INTERNAL: Final = """
    localhost  LOCALHOST  localhost.  ⓛocalhost  a.localhost  localhost.localdomain  db  redis  metadata
    wpad  printer.local  router.lan  vault.internal  metadata.google.internal  metadata.google.internal.
    instance-data.ec2.internal  kubernetes.default.svc.cluster.local  wiki.corp  nas.home  nas.home.arpa
    intranet.private  x.intranet  1.0.0.127.in-addr.arpa  exists.internal  exists  known-to-hosts
"""
RESOLVED: Final = {  # public names that lead where no supplier's picture is
    "loop.shop.example": ["127.0.0.1"],
    "127.0.0.1.nip.example": ["127.0.0.1"],
    "zero.shop.example": ["0.0.0.0"],  # noqa: S104 - an answer, not to be listened at
    "ten.shop.example": ["10.0.0.1"],
    "shared.shop.example": ["100.64.0.1"],
    "aws.shop.example": ["169.254.169.254"],
    "169-254-169-254.shop.example": ["169.254.169.254"],
    "aws6.shop.example": ["fd00:ec2::254"],
    "alibaba.shop.example": ["100.100.100.200"],
    "azure.shop.example": ["168.63.129.16"],
    "oracle.shop.example": ["192.0.0.192"],
    "multicast.shop.example": ["224.0.0.1"],
    "six.shop.example": ["::1"],
    "mapped.shop.example": ["::ffff:127.0.0.1"],
    "nat64.shop.example": ["64:ff9b::7f00:1"],
    "6to4.shop.example": ["2002:7f00:1::1"],
    "teredo.shop.example": ["2001:0:7f00:1::"],
    "isatap.shop.example": ["2606:4700::5efe:7f00:1"],
    "ula.shop.example": ["fd00::1"],
    "both.shop.example": ["10.0.0.1 fd00::1"],
    "many.shop.example": ["10.0.0.1 127.0.0.1 169.254.169.254 192.168.0.1 ::1 fe80::1"],
    "ours.shop.example": ["52.95.110.8"],
    "ours-too.shop.example": ["52.95.110.9"],
    "ours6.shop.example": ["2a00:1450:4001::9"],
    "alias.shop.example": ["@loop.shop.example"],
    "alias-of-alias.shop.example": ["@alias.shop.example"],
    "alias-inside.shop.example": ["@exists.internal"],
    "xn--bcher-kva.example": ["192.168.0.1"],
}
ZONE: Final = {
    **RESOLVED,
    "exists": ["10.0.0.1"],
    "exists.internal": ["10.0.0.1"],
    "exists.internal.search.example": ["10.0.0.1"],
    "shop.exists.search.example": ["10.0.0.1"],
    "public.example": ["8.8.8.8"],
    "public6.example": ["2606:4700:4700::1111"],
    "partly.example": ["10.0.0.1 8.8.8.8 127.0.0.1 fd00::1 ::1"],
    "partly6.example": ["2606:4700:4700::1111 ::1 10.0.0.1"],
    "rebinding.example": ["8.8.8.8", "10.0.0.1"],
}
HOSTS: Final = "10.0.0.1 known-to-hosts known-to-hosts.example\n"

FORBIDDEN: Final = tuple(
    f"http://{host}/shoe.jpg"
    for host in (
        *f"{LOOPBACK} {PRIVATE} {CLOUDS} {IPV6} {OURS} {INTERNAL}".split(),
        *RESOLVED,
        "Bücher.example",
        "127.0.0.1:443",
        "127.0.0.1:22",
        "10.0.0.1:5432",
        "[::1]:6379",
        "52.95.110.8:22",
        "loop.shop.example:11211",
        "db:5432",
    )
)
INVALID: Final = (
    *(f"http://{host}/shoe.jpg" for host in NUMBERS.split()),
    "http://[fe80::1%25lo]/",
    "http://[fe80::1%lo]/",
    "http://[::1%251]/",
    "http://[::ffff:127.0.0.1%25lo]/",
    "http://[127.0.0.1]/",
    "http://[::127.0.0.256]/",
    "http://[::1/",
    "http://::1/",
    "http://256.0.0.1/",
    "http://127.0.0.256/",
    "http://127.0.0.1.1/",
    "http://0x7f.0.0.0.1/",
    "http://09.0.0.1/",
    "http://4294967296/",
    "http://shop.127/",
    "http://0x7f。1/",
    "http://shop。0x7f/",
    "http://10.0｡0x1/",
    "http://127.0.0.1%2f/",
    "http://127%2e0.0.1/",
    "http://%31%32%37.0.0.1/",
    "http://127.0.0.1\\@8.8.8.8/",
    "http://8.8.8.8\\@127.0.0.1/",
    "http://8.8.8.8@127.0.0.1/",
    "http://ada:secret@127.0.0.1/",
    "http://@127.0.0.1/",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1 .example/",
    "http://127.0.0.1\t/",
    "http://127..1/",
    "http://.127.0.0.1/",
    "http:///127.0.0.1/",
    "http:127.0.0.1",
    "//127.0.0.1/",
    "127.0.0.1/shoe.jpg",
    "file:///etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "ftp://127.0.0.1/",
    "gopher://127.0.0.1:6379/_INFO",
    "dict://127.0.0.1:11211/stats",
    "unix:///run/docker.sock",
    "data:image/png;base64,AAAA",
    "http+unix://%2Frun%2Fdocker.sock/",
    "http://8.8.8.8:22/",
    "http://8.8.8.8:0/",
    "https://[2606:4700:4700::1111]:25/",
    "http://public.example:6379/",
)
