"""A shared access signature of an account, for all that a table needs, for a day.

Usage: sas.py ACCOUNT, the key in the environment as STBL_KEY.
"""
import base64
import hashlib
import hmac
import os
import sys
import time
import urllib.parse

account = sys.argv[1]
key = base64.b64decode(os.environ["STBL_KEY"])
version = "2020-02-10"
services, types, rights = "b", "co", "rwdlc"
begin, end = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + s)) for s in (-3600, 86400))
# start, end, addresses (any), protocols
text = "\n".join([account, rights, services, types, begin, end, "", "https", version, ""])
signature = base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()
print(urllib.parse.urlencode({"sv": version, "ss": services, "srt": types, "sp": rights, "st": begin, "se": end, "spr": "https", "sig": signature}))
