-- What HAProxy's own rules can't do: let a request wait, wake a sleeping instance, and read JSON as Python reads it.

local held = Map.new("hold.map", Map._str)
local pause = 20 -- milliseconds between two looks at the map

local function now()
    local time = core.now()
    return time.sec * 1000 + time.usec // 1000
end

-- Was this process replaced? The maps of an old one don't change any more.
local function replaced(txn)
    return txn.sf:stopping() == "1"
end

-- Keeps a request until its instance is no longer held, at most `seconds`. Counts the milliseconds in txn.held, and sets
-- txn.hold to "released" if it came to that: HAProxy breaks this off when the client leaves, and goes on with its rules.
-- Or to "replaced": only the new process hears of the release.
core.register_action("hold", { "http-req" }, function(txn, seconds)
    local instance = txn:get_var("txn.instance")
    local waited = 0
    while held:lookup(instance) do
        if waited >= tonumber(seconds) * 1000 then return end
        if replaced(txn) then
            txn:set_var("txn.hold", "replaced")
            return
        end
        core.msleep(pause)
        waited = waited + pause
        txn:set_var("txn.held", waited)
    end
    txn:set_var("txn.hold", "released")
end, 1)

-- Waking
local inside, portal, secret = os.getenv("ROUTER_INSIDE"), os.getenv("ROUTER_PORTAL"), os.getenv("ROUTER_SECRET")
local routes = Map.new("routes.map", Map._str)
local asked_again = 3000 -- milliseconds after which the portal is asked again, in case it was away, or gave up
local refused_for = 10000 -- milliseconds in which nobody is held after the portal refused
local together = 12 -- requests that a pool which has just woken gets at a time: more would time out in its queue

local asked, refused, let_go = {}, {}, {} -- by instance

local function ask_portal(instance)
    local answer = core.httpclient():post{
        url = "http://" .. portal .. "/inside/wake/" .. instance .. "/",
        dst = "unix@" .. inside,
        headers = { ["x-berth-router"] = { secret } },
        body = instance,
        timeout = 5000,
    }
    if answer.status == 429 then refused[instance] = now() end
end

-- Once for all who wait, in a task of its own: it goes on when the request that began it is taken back.
local function knock(instance)
    if now() - (asked[instance] or -asked_again) >= asked_again then
        asked[instance] = now()
        core.register_task(function() ask_portal(instance) end)
    end
end

-- May one more of those that waited go to the pool now?
local function next_please(instance, slot, txn)
    local passed = let_go[instance]
    if not passed or now() - passed.since > 100 then
        passed = { since = now(), number = 0 }
        let_go[instance] = passed
    end
    if txn.f:be_conn("web_" .. slot) + passed.number >= together then return false end
    passed.number = passed.number + 1
    return true
end

-- Wakes the instance of a request and keeps it until it is awake, at most txn.patience seconds, or until this process is
-- replaced. Sets txn.wake to "refused" where the portal lets nobody wake it now.
core.register_action("wake", { "http-req" }, function(txn)
    local instance = txn:get_var("txn.instance")
    local began = now()
    local limit = txn:get_var("txn.patience") * 1000
    repeat
        local slot = (routes:lookup(instance) or "gone,"):match("^([^,]*)")
        if slot ~= "asleep" then
            if not slot:match("^s%d+$") or next_please(instance, slot, txn) then
                asked[instance] = nil
                return
            end
        elseif replaced(txn) then
            return
        elseif now() - (refused[instance] or -refused_for) < refused_for then
            txn:set_var("txn.wake", "refused")
            return
        else
            knock(instance)
        end
        core.msleep(pause)
        txn:set_var("txn.held", now() - began)
    until now() - began >= limit
end)

-- Replaces \u0064 by d, as a parser would, so that no spelling of a word hides it.
local function spelled_out(text)
    return (text:gsub("\\u00(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

-- Yields each string or bracket of a JSON text in order, strings without their quotes.
local function tokens(text)
    local at = 1
    return function()
        at = text:find('["{}%[%]:]', at)
        if not at then return nil end
        local kind = text:sub(at, at)
        at = at + 1
        if kind ~= '"' then return kind end
        local start = at
        while true do
            at = text:find('[\\"]', at)
            if not at then return nil end
            if text:sub(at, at) == '"' then break end
            at = at + 2
        end
        at = at + 1
        return "string", spelled_out(text:sub(start, at - 2))
    end
end

-- Is there a {"params": {"service": "db"}}? Python takes the last of two equal keys and HAProxy's json_query the first,
-- so any counts.
local function asks_for_db(text)
    local depth, inside, key, before = 0, {}, nil, nil
    for kind, word in tokens(text) do
        if kind == "{" or kind == "[" then
            depth = depth + 1
            inside[depth] = key
            key = nil
        elseif kind == "}" or kind == "]" then
            depth = depth - 1
            key = nil
        elseif kind == ":" then
            key = before
        elseif key == "service" and word == "db" and depth == 2 and inside[2] == "params" then
            return true
        else
            before, key = word, nil
        end
    end
    return false
end

-- Sees the part of the body that fits HAProxy's buffer (16 kB); behind it stand list_db and the password of Odoo itself.
core.register_action("find_db_service", { "http-req" }, function(txn)
    if asks_for_db(txn.f:req_body() or "") then txn:set_var("txn.db_service", true) end
end)
